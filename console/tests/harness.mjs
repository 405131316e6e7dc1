// Starts a daemon and a browser for a test, on free ports, and ends both.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { chromium } from "playwright-core";

const programs = process.env.FERRIC_PROGRAMS ?? new URL("../../target/debug/", import.meta.url).pathname;
export const program = (name) => join(programs, name);

export const SITE = `
[[library]]
slots = 24
import_export = 4
[[library.drive]]
model = "ULT3580-TD8"
count = 2
[[library.cartridges]]
pattern = "V#####L8"
count = 9
size = "256MB"
[[library.cartridges]]
pattern = "W#####LY"
count = 2
size = "256MB"
[[library.cartridges]]
pattern = "CLN###L8"
count = 1
[[pool]]
name = "scratch"
pattern = "S#####L8"
size = "256MB"
`;

/** A running daemon; without a configuration file if `config` is null. */
export class Daemon {
  static async start(config = SITE, options = []) {
    const directory = await mkdtemp(join(tmpdir(), "ferric-console-"));
    const file = join(directory, "site.toml");
    if (config !== null) await writeFile(file, typeof config === "function" ? config(directory) : config);
    const daemon = new Daemon();
    Object.assign(daemon, { directory, options: config === null ? options : ["--config", file, ...options], http: "127.0.0.1:0" });
    await daemon.run();
    return daemon;
  }

  async run() {
    const { directory, options, http } = this;
    const ready = ["--data", join(directory, "data"), "--bind", "127.0.0.1:0", "--http", http, "--ready", "json"];
    this.process = spawn(program("ferric-iscsid"), [...ready, ...options], { stdio: ["ignore", "pipe", "pipe"] });
    let errors = "";
    this.process.stderr.on("data", (text) => (errors += text));
    const line = await Promise.race([
      once(createInterface({ input: this.process.stdout }), "line"),
      once(this.process, "exit").then(() => {
        throw new Error(`the daemon ended: ${errors}`);
      }),
    ]);
    this.ready = JSON.parse(line[0]);
    this.url = [this.ready.http].flat()[0];
    this.http = new URL(this.url).host;
  }

  /** Ends the daemon; its data stays. */
  async end() {
    if (this.process.exitCode !== null || this.process.signalCode !== null) return;
    const ended = once(this.process, "exit");
    this.process.kill("SIGTERM");
    await ended;
  }

  async stop() {
    await this.end();
    await rm(this.directory, { recursive: true, force: true });
  }

  async request(method, path, body) {
    const headers = body ? { "Content-Type": "application/json" } : {};
    const response = await fetch(this.url + path, { method, headers, body: body && JSON.stringify(body) });
    const document = await response.json();
    if (!response.ok) throw new Error(`${method} ${path}: ${document.detail}`);
    return document;
  }
}

let browser;

export async function closeBrowser() {
  await browser?.close();
  browser = undefined;
}

/** Opens a page that fails the test at its end if the console reported an error or a request went to another server. */
export async function openPage(daemon, path = "", options = {}) {
  browser ??= await chromium.launch({
    executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
    args: ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update", "--disable-sync", "--no-first-run"],
  });
  const context = await browser.newContext({ viewport: { width: 1280, height: 800 }, ...options });
  context.setDefaultTimeout(15_000);
  const page = await context.newPage();
  const faults = [];
  page.on("pageerror", (error) => faults.push(String(error)));
  page.on("console", (message) => {
    if (message.type() === "error" && !/Failed to load resource|ERR_/.test(message.text())) faults.push(message.text());
  });
  page.on("request", (request) => {
    const { protocol, host } = new URL(request.url());
    if (protocol !== "blob:" && host !== daemon.http) faults.push(`a request to ${request.url()}`);
  });
  await page.goto(`${daemon.url}/${path}`);
  return { page, faults };
}
