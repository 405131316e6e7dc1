// Requests to the API of the daemon that serves this page.

import { signal } from "@preact/signals";
import type { Page, Role, Session } from "./types";

/** An answer of the API that is an error (RFC 9457), or the failure to get an answer (status 0). */
export class Problem extends Error {
  constructor(
    readonly status: number,
    readonly code: string,
    detail: string,
  ) {
    super(detail);
  }
}

/** The login of this browser: undefined before the first answer, null if one is needed. */
export const session = signal<Session | null | undefined>(undefined);

const RANK: Record<Role, number> = { read: 0, operate: 1, admin: 2 };

/** Whether the present login may make requests of a role. */
export function may(role: Role): boolean {
  const present = session.value;
  return !!present && RANK[present.role] >= RANK[role];
}

/** A random value for an `Idempotency-Key`: a repeated request is then executed once. */
function randomKey(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

async function problemOf(response: Response): Promise<Problem> {
  const body: unknown = await response.json().catch(() => null);
  const { detail, code } = (body ?? {}) as { detail?: string; code?: string };
  return new Problem(response.status, code ?? "unknown", detail ?? `the daemon answered with status ${response.status}`);
}

type Method = "GET" | "POST" | "PUT" | "PATCH" | "DELETE";

interface SendOptions {
  signal?: AbortSignal | undefined;
  /** Entity tag that the object must have, or else the request changes nothing. */
  ifMatch?: string;
}

async function send(method: Method, path: string, body?: object, { signal, ifMatch }: SendOptions = {}): Promise<Response> {
  const headers: Record<string, string> = {};
  if (ifMatch) headers["If-Match"] = ifMatch;
  if (body) headers["Content-Type"] = "application/json";
  if (method === "POST") headers["Idempotency-Key"] = randomKey();
  const csrf = session.peek()?.csrf;
  if (method !== "GET" && csrf) headers["X-CSRF-Token"] = csrf;
  const init: RequestInit = { method, headers, credentials: "same-origin", signal: signal ?? null };
  if (body) init.body = JSON.stringify(body);
  try {
    return await fetch(path, init);
  } catch (error) {
    if (error instanceof DOMException && error.name === "AbortError") throw error;
    throw new Problem(0, "unreachable", "the daemon cannot be reached");
  }
}

/** Sends a request; an answer that is an error is thrown. */
async function exchange(method: Method, path: string, body?: object, options?: SendOptions): Promise<Response> {
  const response = await send(method, path, body, options);
  if (response.ok) return response;
  const problem = await problemOf(response);
  if (problem.status === 401 && session.peek()) session.value = null;
  throw problem;
}

/** Sends a request and returns the document of the answer. */
export async function request<T>(method: Method, path: string, body?: object, options?: SendOptions): Promise<T> {
  const response = await exchange(method, path, body, options);
  return (response.status === 204 ? undefined : await response.json()) as T;
}

export const get = <T>(path: string, signal?: AbortSignal): Promise<T> => request<T>("GET", path, undefined, { signal });

/** Reads a document with its entity tag, for a change of what was read. */
export async function getTagged<T>(path: string): Promise<{ value: T; tag: string }> {
  const response = await exchange("GET", path);
  return { value: (await response.json()) as T, tag: response.headers.get("ETag") ?? "" };
}

/** Times that a request for a cartridge in use is repeated, and the time before each in milliseconds. */
const ATTEMPTS = 10;
const ATTEMPT_INTERVAL = 500;

/** Reads from a cartridge; while another request uses it, the request is repeated. */
export async function getWhenFree<T>(path: string, signal: AbortSignal): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await get<T>(path, signal);
    } catch (error) {
      if (!(error instanceof Problem) || error.code !== "busy" || attempt === ATTEMPTS || signal.aborted) throw error;
    }
    await new Promise((resolve) => setTimeout(resolve, ATTEMPT_INTERVAL));
  }
}

/** A path with values in its query; undefined and empty ones are left out. */
export function withQuery(path: string, values: Record<string, string | number | boolean | undefined>): string {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(values)) {
    if (value !== undefined && value !== "") query.set(name, String(value));
  }
  const text = query.toString();
  return text ? `${path}?${text}` : path;
}

/** Reads a list page by page, and passes on each page. */
export async function readPages<T>(
  path: string,
  query: Record<string, string | number | boolean | undefined>,
  receive: (items: T[]) => void,
  signal: AbortSignal,
): Promise<void> {
  let after: string | undefined;
  do {
    const page: Page<T> = await get(withQuery(path, { ...query, after }), signal);
    receive(page.items);
    after = page.next;
  } while (after !== undefined);
}

/** Reads the name and the role of this browser. A daemon that is open to its machine needs no login. */
export async function readSession(): Promise<void> {
  const response = await send("GET", "/v1/session");
  if (response.ok) {
    session.value = (await response.json()) as Session;
  } else if (response.status === 401) {
    session.value = null;
  } else {
    throw await problemOf(response);
  }
}

/** Logs in with a token; the daemon sets a cookie that scripts cannot read. */
export async function login(token: string): Promise<void> {
  session.value = await request<Session>("POST", "/v1/session", { token });
}

export async function logout(): Promise<void> {
  await request("DELETE", "/v1/session");
  session.value = null;
}
