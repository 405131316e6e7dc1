// The configuration of the daemon as text, and the check of a changed text. Nothing here changes the configuration.

import { useSignal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import { request } from "../api";
import { useDocument } from "../document";
import { count, plural } from "../format";
import { Icon } from "../parts/icon";
import type { CheckedConfiguration, ConfigurationFinding } from "../types";
import { messageOf, path } from "../ui";

function Finding({ finding, onShow }: { finding: ConfigurationFinding; onShow: (line: number) => void }) {
  const { line, key, message } = finding;
  return (
    <>
      <span class="break">
        {line > 0 && `line ${line}, `}
        {key && <code>{key}</code>}
        {key && ": "}
        {message}
      </span>{" "}
      {line > 0 && (
        <button class="quiet small" onClick={() => onShow(line)}>
          Show line {line}
        </button>
      )}
    </>
  );
}

export function Configuration() {
  const shown = useDocument<{ text: string }>("/v1/configuration");
  const running = shown.value.value?.text;
  const text = useSignal("");
  const checked = useSignal<CheckedConfiguration | null>(null);
  const failed = useSignal("");
  const area = useRef<HTMLTextAreaElement>(null);
  const reset = (): void => {
    text.value = running ?? "";
    checked.value = null;
    failed.value = "";
  };
  useEffect(reset, [running]);

  const check = async (event: Event): Promise<void> => {
    event.preventDefault();
    failed.value = "";
    try {
      checked.value = await request("POST", "/v1/configuration/check", { text: text.value });
    } catch (error) {
      checked.value = null;
      failed.value = messageOf(error);
    }
  };
  /** Selects a line of the text. */
  const show = (line: number): void => {
    const lines = text.value.split("\n");
    const start = lines.slice(0, line - 1).reduce((sum, before) => sum + before.length + 1, 0);
    const { current } = area;
    if (!current) return;
    current.focus();
    current.setSelectionRange(start, start + (lines[line - 1]?.length ?? 0));
    current.scrollTop = (current.scrollHeight / lines.length) * Math.max(0, line - 5);
  };
  const found = checked.value;
  return (
    <div class="view">
      <header class="view-head">
        <h1>Configuration</h1>
      </header>
      {(shown.error.value || failed.value) && <p class="banner bad">{failed.value || shown.error.value}</p>}
      {running !== undefined && (
        <section class="panel">
          <p class="muted" id="configuration-help">
            The configuration that is in use, with all defaults. Secrets, the paths of the URLs of webhooks and the arguments of commands are left out: put them back before you use the text. Change it here and check it: the check changes nothing. Then write it into the configuration file of the daemon and let the
            daemon <a href={path("setup")}>read the file again</a>.
          </p>
          <form onSubmit={check}>
            <label>
              Text (TOML)
              <textarea
                ref={area}
                class="mono configuration"
                rows={24}
                spellcheck={false}
                wrap="off"
                aria-describedby="configuration-help"
                value={text.value}
                onInput={(event) => {
                  text.value = event.currentTarget.value;
                  checked.value = null;
                }}
              />
            </label>
            <div class="buttons">
              <button type="submit">Check</button>
              <button type="button" class="quiet" disabled={text.value === running} onClick={reset}>
                Discard the changes
              </button>
            </div>
          </form>
          <div role="status">
            {found && (
              <p class={found.error ? "banner bad" : "banner"}>
                <Icon name={found.error ? "alert" : "check"} />{" "}
                {found.error ? <Finding finding={found.error} onShow={show} /> : `The text is valid: ${found.libraries === 1 ? "1 library" : `${count(found.libraries)} libraries`}, ${plural(found.drives, "drive")}, ${plural(found.pools, "pool")}.`}
              </p>
            )}
            {found?.warnings.map((warning) => (
              <p class="banner" key={`${warning.line}${warning.key}`}>
                <Icon name="alert" /> <Finding finding={warning} onShow={show} />
              </p>
            ))}
          </div>
        </section>
      )}
    </div>
  );
}
