// State of the page itself: the view in the address, messages, theme, and actions with their errors.

import { computed, signal } from "@preact/signals";
import { Problem } from "./api";

/** The parts of the fragment: `#/drive/main/drive1` is ["drive", "main", "drive1"]. */
export const route = signal<string[]>([]);

function readRoute(): void {
  const parts = location.hash.replace(/^#\/?/, "").split("?")[0]!.split("/");
  route.value = parts.filter(Boolean).map(decodeURIComponent);
}

addEventListener("hashchange", readRoute);
readRoute();

export const path = (...parts: string[]): string => `#/${parts.map(encodeURIComponent).join("/")}`;

export interface Notice {
  id: number;
  kind: "info" | "error";
  text: string;
}

/** Messages that are shown until they are closed, or for some seconds. */
export const notices = signal<Notice[]>([]);
/** The text of the live region, which screen readers read out. */
export const spoken = signal("");

const NOTICE_MS = 6000;
let lastId = 0;

export function notify(kind: Notice["kind"], text: string): void {
  const id = ++lastId;
  notices.value = [...notices.value, { id, kind, text }].slice(-4);
  spoken.value = text;
  if (kind === "info") setTimeout(() => closeNotice(id), NOTICE_MS);
}

export function closeNotice(id: number): void {
  notices.value = notices.value.filter((notice) => notice.id !== id);
}

/** The last error since a message of this number, or since the first one. */
export function lastErrorSince(id: number): string | undefined {
  return notices.value.findLast((notice) => notice.kind === "error" && notice.id > id)?.text;
}

/** The number of the last message. */
export const lastNoticeId = (): number => lastId;

/** Says something to users of screen readers only. */
export function speak(text: string): void {
  spoken.value = text;
}

/** The error of a request in words. */
export function messageOf(error: unknown): string {
  if (error instanceof Problem) return error.message;
  return error instanceof Error ? error.message : String(error);
}

/** Runs a request of the user and shows its result or its error. Returns whether it was done. */
export async function act(done: string | ((result: any) => string), run: () => Promise<unknown>): Promise<boolean> {
  try {
    const result = await run();
    notify("info", typeof done === "string" ? done : done(result));
    return true;
  } catch (error) {
    notify("error", messageOf(error));
    return false;
  }
}

export type Theme = "auto" | "light" | "dark";

const THEME_KEY = "ferric-theme";

function storedTheme(): Theme {
  const stored = localStorage.getItem(THEME_KEY);
  return stored === "light" || stored === "dark" ? stored : "auto";
}

const dark = matchMedia("(prefers-color-scheme: dark)");
const systemIsDark = signal(dark.matches);
dark.addEventListener("change", () => (systemIsDark.value = dark.matches));

export const theme = signal<Theme>(storedTheme());
export const isDark = computed(() => (theme.value === "auto" ? systemIsDark.value : theme.value === "dark"));

export function setTheme(value: Theme): void {
  theme.value = value;
  localStorage.setItem(THEME_KEY, value);
}
