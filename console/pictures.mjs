// Makes the pictures of docs/console.md: node pictures.mjs
import { once } from "node:events";
import { spawn } from "node:child_process";
import { closeBrowser, Daemon, openPage, program } from "./tests/harness.mjs";

const out = new URL("../docs/pictures/", import.meta.url).pathname;
const daemon = await Daemon.start();
const picture = async (name, path, options, prepare = async () => {}, of = daemon) => {
  const { page } = await openPage(of, path, options);
  // A view that follows the commands of hosts is never without a request.
  await page.locator("h1").waitFor({ state: "attached" });
  await page.waitForTimeout(1000);
  await prepare(page);
  await page.screenshot({ path: `${out}${name}.png` });
  await page.context().close();
};
await daemon.request("POST", "/v1/loads", { cartridge: "V00001L8", drive: "drive1" });
await daemon.request("PATCH", "/v1/slots/slot20", { fault: "blocked" });
await daemon.request("POST", "/v1/moves", { from: "V00005L8", to: "io1" });
const select = async (page) => {
  await page.locator('[data-element="slot3"]').click();
  await page.mouse.move(0, 0);
};
await picture("console-rack", "#/rack", { viewport: { width: 1100, height: 720 } }, select);
await picture("console-small", "#/rack", { viewport: { width: 360, height: 700 }, colorScheme: "dark" });
await picture("console-drive", "#/drive/main/drive1", { viewport: { width: 1100, height: 760 } }, async (page) => {
  // Files of several lengths, with pauses between them.
  for (const count of [200, 420, 90, 300]) {
    const initiator = spawn(program("ferric-stream"), [daemon.ready.address, daemon.ready.targets[0], "--count", String(count), "--block", "131072"]);
    await once(initiator, "exit");
    await page.waitForTimeout(1500);
  }
});
const empty = await Daemon.start("library = []\n");
const prepare = async (page) => {
  await page.getByText("Configuration text").click();
  await page.locator("form code").evaluate((path) => (path.textContent = "/etc/ferric/site.toml"));
};
await picture("console-first-start", "", { viewport: { width: 1100, height: 760 } }, prepare, empty);
await closeBrowser();
await daemon.stop();
await empty.stop();
