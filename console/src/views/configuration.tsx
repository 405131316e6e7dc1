// The configuration of the daemon as text, and the check of a changed text. Nothing here changes the configuration.

import { useSignal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import { request } from "../api";
import { useDocument } from "../document";
import { count, plural } from "../format";
import { Icon } from "../parts/icon";
import type { CheckedConfiguration, ConfigurationFinding, ConfigurationText } from "../types";
import { messageOf, path } from "../ui";

function Finding({ finding, onShow }: { finding: ConfigurationFinding; onShow: (line: number, column: number) => void }) {
  const { line, column, key, message } = finding;
  return (
    <>
      <span class="break">
        {line > 0 && `line ${line}, column ${column}, `}
        {key && <code>{key}</code>}
        {key && ": "}
        {message}
      </span>{" "}
      {line > 0 && (
        <button class="quiet small" onClick={() => onShow(line, column)}>
          Show line {line}
        </button>
      )}
    </>
  );
}

const FILE_STATES = {
  in_use: "its content is in use",
  changed: "it was changed since the daemon read it: its content is not in use",
  refused: "the daemon has refused its content, which is not in use",
  unreadable: "the daemon cannot read it",
} as const;

/** Says what the text below is, and how the file of the daemon differs from it. */
function FileState({ file }: { file: ConfigurationText["file"] }) {
  if (!file) return <p>The daemon was started without <code>--config FILE</code>. The text is the configuration in use.</p>;
  return (
    <p class={file.state === "in_use" ? undefined : "banner"}>
      {file.state !== "in_use" && <Icon name="alert" />} The text is the configuration in use. Configuration file <code class="break">{file.path}</code>: {FILE_STATES[file.state]}
      {file.reason && `: ${file.reason}`}.
    </p>
  );
}

export function Configuration() {
  const shown = useDocument<ConfigurationText>("/v1/configuration");
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
  /** Selects a line of the text from a column on. */
  const show = (line: number, column: number): void => {
    const lines = text.value.split("\n");
    const start = lines.slice(0, line - 1).reduce((sum, before) => sum + before.length + 1, 0);
    const { current } = area;
    if (!current) return;
    current.focus();
    // A column counts characters, a selection UTF-16 units.
    const before = [...(lines[line - 1] ?? "")].slice(0, Math.max(0, column - 1)).join("").length;
    current.setSelectionRange(start + before, start + (lines[line - 1]?.length ?? 0));
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
          <FileState file={shown.value.value?.file} />
          <p class="muted" id="configuration-help">
            The text has all defaults. Secrets, the paths of the URLs of webhooks and the arguments of commands are left out: put them back before you use the text. Change it here and check it: the check changes nothing. Then write it into the configuration file of the daemon and let the
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
