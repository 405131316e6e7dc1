// Documents of the API that a component shows: read when it appears, and again at an interval or after a change.

import { useSignal, type Signal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { get } from "./api";
import { messageOf } from "./ui";

export interface Shown<T> {
  /** Null until the first answer. */
  value: Signal<T | null>;
  /** The error of the last attempt; empty after a success. */
  error: Signal<string>;
  /** Reads the document again. */
  read: () => Promise<void>;
}

/** Reads a document now, whenever one of `inputs` changes, and every `pollMs` while the page is in view. */
export function useDocument<T>(path: string, { pollMs, inputs = [] }: { pollMs?: number | undefined; inputs?: unknown[] } = {}): Shown<T> {
  const value = useSignal<T | null>(null);
  const error = useSignal("");
  const read = async (signal?: AbortSignal): Promise<void> => {
    try {
      value.value = await get<T>(path, signal);
      error.value = "";
    } catch (caught) {
      if (!signal?.aborted) error.value = messageOf(caught);
    }
  };
  useEffect(() => {
    const end = new AbortController();
    void read(end.signal);
    const timer = pollMs === undefined ? undefined : setInterval(() => document.hidden || void read(end.signal), pollMs);
    return () => {
      clearInterval(timer);
      end.abort();
    };
  }, [path, pollMs, ...inputs]);
  return { value, error, read: () => read() };
}
