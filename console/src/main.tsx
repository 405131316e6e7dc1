// The page: login, navigation, connection, and the view that the address names.

import { effect, useSignal } from "@preact/signals";
import { render } from "preact";
import { useEffect, useRef } from "preact/hooks";
import { login, logout, may, readSession, session } from "./api";
import { connect, disconnect, isOutdated, link } from "./events";
import { unacknowledged } from "./alerts";
import { deselect } from "./moves";
import { Icon } from "./parts/icon";
import { isKnown, libraries, revision, warnings } from "./site";
import type { Role } from "./types";
import { act, closeNotice, isDark, messageOf, notices, path, route, setTheme, spoken, theme, type Theme } from "./ui";
import { About } from "./views/about";
import { Audit } from "./views/audit";
import { CartridgeView } from "./views/cartridge";
import { Cartridges } from "./views/cartridges";
import { Configuration } from "./views/configuration";
import { DriveView } from "./views/drive";
import { Events } from "./views/events";
import { Hosts } from "./views/hosts";
import { Jobs } from "./views/jobs";
import { Notifications } from "./views/notifications";
import { Rack } from "./views/rack";
import { Setup } from "./views/setup";
import { Shelves } from "./views/shelves";
import { Tokens } from "./views/tokens";

const VIEWS: [name: string, text: string, role: Role][] = [
  ["rack", "Rack", "read"],
  ["cartridges", "Cartridges", "read"],
  ["jobs", "Jobs", "read"],
  ["events", "Events", "read"],
  ["hosts", "Hosts", "read"],
  ["shelves", "Shelves", "read"],
  ["notifications", "Notifications", "read"],
  ["audit", "Audit", "read"],
  ["tokens", "Access tokens", "admin"],
  ["configuration", "Configuration", "admin"],
  ["setup", "Set up", "read"],
  ["about", "About", "read"],
];

/** The view to which a part of the navigation leads. */
const SECTION: Record<string, string> = { drive: "rack", cartridge: "cartridges" };

function View() {
  const [name, first, second] = route.value;
  switch (name) {
    case "drive":
      return <DriveView key={`${first}/${second}`} libraryName={first ?? ""} name={second ?? ""} />;
    case "cartridges":
      return <Cartridges key={`${first}/${second}`} filter={first} value={second} />;
    case "cartridge":
      return <CartridgeView key={first} barcode={first ?? ""} />;
    case "events":
      return <Events />;
    case "hosts":
      return <Hosts />;
    case "jobs":
      return <Jobs />;
    case "shelves":
      return <Shelves />;
    case "notifications":
      return <Notifications />;
    case "configuration":
      return <Configuration />;
    case "tokens":
      return <Tokens />;
    case "audit":
      return <Audit />;
    case "setup":
      return <Setup />;
    case "about":
      return <About />;
    default:
      return <Rack />;
  }
}

const LINKS = { connecting: "connecting", live: "live", lost: "connection lost" } as const;

function ThemeSwitch() {
  return (
    <label class="theme">
      <span class="visually-hidden">Theme</span>
      <select value={theme.value} onChange={(event) => setTheme(event.currentTarget.value as Theme)}>
        <option value="auto">system theme</option>
        <option value="light">light</option>
        <option value="dark">dark</option>
      </select>
    </label>
  );
}

/** Logs out. The next user begins without this selection. */
async function leave(): Promise<void> {
  if (!(await act("logged out", logout))) return;
  disconnect();
  deselect();
  location.hash = path("rack");
}

function Header() {
  const section = SECTION[route.value[0] ?? ""] ?? route.value[0] ?? "rack";
  const alerts = unacknowledged.value;
  const nav = useRef<HTMLElement>(null);
  // In a narrow window, the links scroll sideways.
  useEffect(() => nav.current?.querySelector("[aria-current]")?.scrollIntoView({ block: "nearest", inline: "nearest" }), [section, session.value]);
  return (
    <header class="top">
      <a class="brand" href={path("rack")}>
        <img src="/icon.svg" alt="" width="24" height="24" /> Ferric
      </a>
      <nav ref={nav} class="main-nav" aria-label="Views">
        {VIEWS.filter(([, , role]) => may(role)).map(([name, text]) => (
          <a key={name} href={path(name)} aria-current={name === section ? "page" : undefined}>
            {text}
            {name === "events" && alerts > 0 && (
              <span class="badge badge-alert nav-badge">
                <Icon name="alert" /> {alerts}
                <span class="visually-hidden"> not acknowledged</span>
              </span>
            )}
          </a>
        ))}
      </nav>
      <div class="top-right">
        <span class={`link link-${link.value}`}>
          <span class="lamp-sign" aria-hidden="true" />
          {LINKS[link.value]}
        </span>
        <ThemeSwitch />
        {session.value?.csrf && (
          <button class="quiet small" onClick={() => void leave()}>
            Log out {session.value.name}
          </button>
        )}
      </div>
    </header>
  );
}

function Banners() {
  return (
    <>
      {link.value === "lost" && (
        <p class="banner bad" role="status">
          The connection to the daemon is lost. What is shown may be out of date. Reconnecting…
        </p>
      )}
      {isOutdated.value && (
        <p class="banner" role="status">
          The daemon has another release than this page. <button onClick={() => location.reload()}>Reload the page</button>
        </p>
      )}
      {warnings.value.map((warning) => (
        <p class="banner" key={warning}>
          <Icon name="alert" /> {warning}
        </p>
      ))}
    </>
  );
}

function Notices() {
  return (
    <div class="notices">
      {notices.value.map((notice) => (
        <div key={notice.id} class={`notice notice-${notice.kind}`}>
          <Icon name={notice.kind === "error" ? "alert" : "check"} />
          <span>{notice.text}</span>
          <button class="quiet small" aria-label="Close message" onClick={() => closeNotice(notice.id)}>
            <Icon name="close" />
          </button>
        </div>
      ))}
    </div>
  );
}

function Login() {
  const token = useSignal("");
  const error = useSignal("");
  const submit = async (event: Event): Promise<void> => {
    event.preventDefault();
    error.value = "";
    try {
      await login(token.value.trim());
      connect();
    } catch (caught) {
      error.value = messageOf(caught);
    }
  };
  return (
    <main class="login">
      <form class="panel" onSubmit={submit}>
        <h1>
          <img src="/icon.svg" alt="" width="32" height="32" /> Ferric
        </h1>
        <label>
          Token
          <input
            type="password"
            autocomplete="current-password"
            required
            value={token.value}
            aria-describedby="login-help"
            aria-invalid={error.value !== ""}
            onInput={(event) => (token.value = event.currentTarget.value)}
          />
        </label>
        {error.value && (
          <p class="bad" role="alert">
            <Icon name="alert" /> {error.value}
          </p>
        )}
        <button type="submit">Log in</button>
        <p class="muted" id="login-help">
          An administrator makes a token with <code>ferric token create</code>.
        </p>
      </form>
    </main>
  );
}

function App() {
  const failed = useSignal("");
  useEffect(() => {
    const begin = async (): Promise<void> => {
      try {
        await readSession();
        failed.value = "";
        if (session.value) connect();
      } catch (error) {
        failed.value = messageOf(error);
        setTimeout(() => void begin(), 2000);
      }
    };
    void begin();
  }, []);
  // An empty site begins with its set-up.
  useEffect(() => {
    if (isKnown.value && route.value.length === 0 && isEmpty()) location.replace(path("setup"));
  }, [isKnown.value]);
  if (failed.value) return <main class="login"><p class="banner bad">{failed.value}. Trying again…</p></main>;
  if (session.value === undefined) return <main class="login"><p class="muted">Connecting…</p></main>;
  if (session.value === null) return <Login />;
  return (
    <>
      <a class="skip" href="#content" onClick={(event) => { event.preventDefault(); document.getElementById("content")?.focus(); }}>
        Skip to the content
      </a>
      <Header />
      <main id="content" tabIndex={-1}>
        <Banners />
        <View />
      </main>
      <Notices />
      <div class="visually-hidden" role="status" aria-live="polite">
        {spoken.value}
      </div>
    </>
  );
}

/** Whether the site has no cartridge in any library. */
function isEmpty(): boolean {
  revision.value;
  const holds = (element: { cartridge?: string }): boolean => element.cartridge !== undefined;
  return libraries.value.every(({ slots, io, drives }) => !slots.some(holds) && !io.some(holds) && !drives.some(holds));
}

effect(() => {
  document.documentElement.dataset.theme = isDark.value ? "dark" : "light";
});
render(<App />, document.body);
