// A cartridge as it is seen in a slot, and an element in words.

import { kindName } from "../format";
import { revision } from "../site";
import type { Element } from "../types";

/** Signs for states; each has a shape and a word, so that none depends on colour. */
const signs = (element: Element): { sign: string; word: string }[] => {
  const all = [];
  if (element.unusable) all.push({ sign: "!", word: `cannot be used: ${element.unusable}` });
  if (element.kind === "worm") all.push({ sign: "W", word: "WORM" });
  if (element.kind === "cleaning") all.push({ sign: "C", word: "cleaning cartridge" });
  if (element.kind === "null") all.push({ sign: "N", word: "null medium" });
  if (element.label) all.push({ sign: "?", word: `barcode label ${element.label}` });
  return all;
};

export function Spine({ element }: { element: Element }) {
  revision.value;
  const barcode = element.cartridge!;
  // The last two characters of a barcode give the medium.
  const [volume, medium] = barcode.length > 2 ? [barcode.slice(0, -2), barcode.slice(-2)] : [barcode, ""];
  return (
    <span class={`spine spine-${element.kind ?? "data"}`}>
      <span class="spine-label">
        <span class="spine-volume">{volume}</span>
        <span class="spine-medium">{medium}</span>
      </span>
      {signs(element).map(({ sign, word }) => (
        <span key={sign} class={sign === "!" ? "spine-sign spine-sign-bad" : "spine-sign"} title={word} data-text={sign} />
      ))}
    </span>
  );
}

/** An element with its cartridge and its faults, for a label. */
export function elementWords(name: string, element: Element): string {
  const words = [name];
  if (element.cartridge) words.push(element.cartridge, kindName(element.kind));
  else words.push("empty");
  if (element.fault) words.push(element.fault);
  if (element.label) words.push(`barcode label ${element.label}`);
  if (element.unusable) words.push(`cannot be used: ${element.unusable}`);
  return words.join(", ");
}
