// The choice of a library: model, elements, drives and cartridges. It shows the text of the configuration that it makes.

import { useComputed, useSignal } from "@preact/signals";
import { useEffect, useId } from "preact/hooks";
import { useDocument } from "../document";
import { bytes, count } from "../format";
import { addLibrary, mostCartridges, patternOf, progress, tablesOf } from "../new-library";
import { libraries, pools } from "../site";
import type { ConfigurationText, DriveModel, LibraryModel, Models } from "../types";
import { act, path } from "../ui";
import { Copyable } from "./copyable";
import { NumberField, Select } from "./fields";
import { save } from "./save";

const USUAL = { library: "STK L700", drive: "ULT3580-TD8", slots: 24, io: 4, drives: 2, cartridges: 10 };
const FILE = "site.toml";

/** A name that no object of a list has: `main`, or else with a number. */
function freeName(usual: string, taken: string[]): string {
  for (let number = 2; ; number++) {
    const name = number === 2 && !taken.includes(usual) ? usual : `${usual}${number}`;
    if (!taken.includes(name)) return name;
  }
}

const usualOf = <T extends { model: string }>(models: T[], usual: string): string => (models.find(({ model }) => model === usual) ?? models[0])?.model ?? "";

/** The lines that start a daemon with the text as its configuration. */
function ApplyByHand({ text, running }: { text: string; running: ConfigurationText }) {
  const whole = libraries.value.length === 0 ? text : `${running.text.trimEnd()}\n\n${text}`;
  const lines = [`ferric config check ${FILE}`, `ferric-iscsid --config ${FILE} --data DIR   # with the data directory and the other options of now`].join("\n");
  return (
    <>
      <p class="banner">
        This daemon was started without <code>--config FILE</code>, so that it cannot add the library itself. Save the configuration, check it, end the daemon and start it with the file.
      </p>
      <Copyable title="Configuration" text={whole} />
      <div class="buttons">
        <button type="button" class="quiet" onClick={() => save(new Blob([whole], { type: "application/toml" }), FILE)}>
          Save as {FILE}
        </button>
      </div>
      <Copyable title="Apply the configuration" text={lines} />
    </>
  );
}

function Form({ models, configuration }: { models: Models; configuration: ConfigurationText }) {
  const name = useSignal(freeName("main", libraries.value.map(({ summary }) => summary.name)));
  const libraryModel = useSignal(usualOf(models.libraries, USUAL.library));
  const driveModel = useSignal(usualOf(models.drives, USUAL.drive));
  const [slots, io, drives, cartridges] = [useSignal(USUAL.slots), useSignal(USUAL.io), useSignal(USUAL.drives), useSignal(USUAL.cartridges)];
  const library = useComputed<LibraryModel>(() => models.libraries.find(({ model }) => model === libraryModel.value)!);
  const drive = useComputed<DriveModel>(() => models.drives.find(({ model }) => model === driveModel.value)!);
  const suffixes = drive.value.media.map(({ suffix }) => suffix);
  const barcode = useSignal(`V00001${suffixes[0] ?? ""}`);
  const help = useId();
  // Another model has other limits, and other media.
  useEffect(() => {
    slots.value = Math.min(slots.value || 1, library.value.slots);
    io.value = Math.min(io.value || 0, library.value.io_elements);
    drives.value = Math.min(drives.value || 1, library.value.drives);
  }, [library.value]);
  useEffect(() => {
    if (!suffixes.some((suffix) => barcode.value.endsWith(suffix))) barcode.value = `${barcode.value.slice(0, -2)}${suffixes[0] ?? ""}`;
  }, [drive.value]);

  const made = patternOf(barcode.value, suffixes);
  const isWanted = cartridges.value > 0;
  const fault = !isWanted ? "" : typeof made === "string" ? made : cartridges.value > mostCartridges(made) ? `the digits suffice for ${mostCartridges(made)} cartridges` : "";
  const pool = isWanted && typeof made !== "string" ? { ...made, name: freeName(name.value, pools.value.map((item) => item.pool)) } : undefined;
  const medium = drive.value.media.find(({ suffix }) => barcode.value.endsWith(suffix));
  const chosen = { name: name.value, model: libraryModel.value, slots: slots.value, io: io.value, driveModel: driveModel.value, drives: drives.value, cartridges: cartridges.value, barcode: barcode.value };
  const text = tablesOf(chosen, pool);
  const { file } = configuration;

  const add = async (event: Event): Promise<void> => {
    event.preventDefault();
    if (fault || !file) return;
    await act((done: string) => done, () => addLibrary(text, pool?.name, cartridges.value));
  };
  return (
    <form onSubmit={add}>
      <div class="fields">
        <label>
          Name of the library
          <input required maxLength={32} pattern="[a-z0-9_\-]+" title="a to z, 0 to 9, - and _" value={name.value} onInput={(event) => (name.value = event.currentTarget.value)} />
        </label>
        <Select label="Model of the library" value={libraryModel} options={models.libraries.map(({ model }) => [model, model])} />
        <NumberField label={`Slots, up to ${library.value.slots}`} value={slots} min={1} max={library.value.slots} />
        <NumberField label={`I/O elements, up to ${library.value.io_elements}`} value={io} min={0} max={library.value.io_elements} />
        <Select label="Model of the drives" value={driveModel} options={models.drives.map(({ model, vendor }) => [model, `${vendor} ${model}`])} />
        <NumberField label={`Drives, up to ${library.value.drives}`} value={drives} min={1} max={library.value.drives} />
        <NumberField label="Cartridges" value={cartridges} min={0} max={10_000} />
        <label>
          Barcode of the first cartridge
          <input
            class="mono"
            required={isWanted}
            maxLength={16}
            value={barcode.value}
            aria-describedby={help}
            aria-invalid={fault !== ""}
            onInput={(event) => (barcode.value = event.currentTarget.value.toUpperCase())}
          />
        </label>
      </div>
      <p id={help} class={fault ? "bad" : "muted"}>
        {isWanted && cartridges.value > slots.value && `${count(cartridges.value - slots.value)} of the cartridges have no slot: they are put on the shelf. `}
        {fault ? `Barcode ${barcode.value}: ${fault}` : medium && isWanted ? `${medium.medium} cartridges of ${bytes(medium.capacity)}; they need this space only when a host has written it.` : "No cartridge is created."}
      </p>
      {file ? (
        <>
          <details>
            <summary>Configuration text</summary>
            <Copyable title="Text" text={text} />
          </details>
          <p class="muted">
            The text is added to the configuration file <code class="break">{file.path}</code>, which is read again. Cartridges are created by a job.
            {file.state !== "in_use" && (
              <>
                {" "}
                The file has other changes that are not in use yet: see <a href={path("configuration")}>Configuration</a>.
              </>
            )}
          </p>
          <div class="buttons">
            <button type="submit" disabled={progress.value !== "" || fault !== ""}>
              {progress.value || "Add the library"}
            </button>
          </div>
        </>
      ) : (
        <ApplyByHand text={text} running={configuration} />
      )}
    </form>
  );
}

export function LibraryForm() {
  const models = useDocument<Models>("/v1/models");
  const configuration = useDocument<ConfigurationText>("/v1/configuration");
  const error = models.error.value || configuration.error.value;
  if (error) return <p class="banner bad">{error}</p>;
  if (!models.value.value || !configuration.value.value) return <p class="muted">Reading…</p>;
  return <Form models={models.value.value} configuration={configuration.value.value} />;
}
