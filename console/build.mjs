// Builds the console into dist/: the page, one script, one style sheet and the icon. The page names the script and the style
// sheet with a digest of their content, so that a browser can keep them.
import { createHash } from "node:crypto";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { gzipSync } from "node:zlib";
import { build } from "esbuild";

const MAX_GZIP_BYTES = 150_000;
const here = new URL(".", import.meta.url);
const out = new URL(process.argv[2] ? `file://${process.argv[2]}/` : "dist/", here);

const built = await build({
  absWorkingDir: here.pathname,
  entryPoints: { console: "src/main.tsx", style: "src/style.css" },
  outdir: "dist",
  bundle: true,
  minify: true,
  write: false,
  format: "esm",
  target: "es2022",
  jsx: "automatic",
  jsxImportSource: "preact",
  legalComments: "none",
  charset: "utf8",
});

const digest = (bytes) => createHash("sha256").update(bytes).digest("hex").slice(0, 16);
const files = new Map(built.outputFiles.map((file) => [file.path.split("/").at(-1), Buffer.from(file.contents)]));
const icon = await readFile(new URL("src/icon.svg", here));
files.set("icon.svg", icon);
let page = await readFile(new URL("src/index.html", here), "utf8");
for (const [name, bytes] of files) {
  page = page.replaceAll(`"/${name}"`, `"/${name}?${digest(bytes)}"`);
}
files.set("index.html", Buffer.from(page));

await mkdir(out, { recursive: true });
let total = 0;
for (const [name, bytes] of files) {
  await writeFile(new URL(name, out), bytes);
  total += gzipSync(bytes, { level: 9 }).length;
}
console.log(`console: ${files.size} files, ${total} bytes with gzip`);
if (total > MAX_GZIP_BYTES) {
  console.error(`more than ${MAX_GZIP_BYTES} bytes`);
  process.exitCode = 1;
}
