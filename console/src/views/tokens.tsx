// Tokens of the HTTP API and of this console, for administrators.

import { useSignal } from "@preact/signals";
import { request } from "../api";
import { useDocument } from "../document";
import { dateTime } from "../format";
import { Copyable } from "../parts/copyable";
import { Dialog, DialogButtons } from "../parts/dialog";
import { Select, type Option } from "../parts/fields";
import { Listing } from "../parts/listing";
import type { Column } from "../parts/table";
import type { Page, Role, Token } from "../types";
import { act } from "../ui";

const ROLES: Option<Role>[] = [
  ["read", "read: see everything, change nothing"],
  ["operate", "operate: also move, load, import, export, create"],
  ["admin", "admin: also delete, retain, tokens, configuration"],
];

/** Creates a token, then shows its text, which no later request returns. */
function CreateDialog({ onCreated, onClose }: { onCreated: () => void; onClose: () => void }) {
  const name = useSignal("");
  const role = useSignal<Role>("read");
  const token = useSignal("");
  const create = async (event: Event): Promise<void> => {
    event.preventDefault();
    const run = () => request<{ token: string }>("POST", "/v1/tokens", { name: name.value, role: role.value });
    const done = await act((created: { token: string }) => {
      token.value = created.token;
      return `token ${name.value} created`;
    }, run);
    if (done) onCreated();
  };
  if (token.value) {
    return (
      <Dialog title={`Token ${name.value}`} onClose={onClose}>
        <p>Copy the token now: it is shown only once. The daemon stores no copy of it.</p>
        <Copyable title="token" text={token.value} />
        <div class="buttons">
          <button onClick={onClose}>Close</button>
        </div>
      </Dialog>
    );
  }
  return (
    <Dialog title="Create token" onClose={onClose}>
      <form onSubmit={create}>
        <label>
          Name
          <input required maxLength={32} pattern="[a-z0-9_\-]+" title="a to z, 0 to 9, - and _" value={name.value} onInput={(event) => (name.value = event.currentTarget.value)} />
        </label>
        <Select label="Role" value={role} options={ROLES} />
        <DialogButtons onCancel={onClose}>Create</DialogButtons>
      </form>
    </Dialog>
  );
}

function RemoveDialog({ token, onRemoved, onClose }: { token: Token; onRemoved: () => void; onClose: () => void }) {
  const remove = async (event: Event): Promise<void> => {
    event.preventDefault();
    const done = await act(`token ${token.name} removed`, () => request("DELETE", `/v1/tokens/${encodeURIComponent(token.name)}`));
    if (!done) return;
    onRemoved();
    onClose();
  };
  return (
    <Dialog title={`Remove token ${token.name}`} onClose={onClose}>
      <form onSubmit={remove}>
        <p>Its clients have no access any longer, and its logins to the console end. Nothing else is changed.</p>
        <DialogButtons danger onCancel={onClose}>
          Remove
        </DialogButtons>
      </form>
    </Dialog>
  );
}

export function Tokens() {
  const shown = useDocument<Page<Token>>("/v1/tokens");
  const creating = useSignal(false);
  const removing = useSignal<Token | null>(null);
  const tokens = shown.value.value?.items;
  const read = (): void => void shown.read();
  const removeButton = (token: Token) => (
    <button class="quiet small" aria-label={`Remove token ${token.name}`} onClick={() => (removing.value = token)}>
      Remove…
    </button>
  );
  const columns: Column<Token>[] = [
    ["name", (token) => token.name, "mono"],
    ["role", (token) => token.role],
    ["created", (token) => dateTime(token.created * 1000), "mono"],
    ["action", removeButton],
  ];
  return (
    <div class="view">
      <header class="view-head">
        <h1>Access tokens</h1>
        {tokens && (
          <div class="buttons">
            <button onClick={() => (creating.value = true)}>Create token</button>
          </div>
        )}
      </header>
      {shown.error.value && <p class="banner bad">{shown.error.value}</p>}
      <section class="panel">
        <Listing label="Access tokens" columns={columns} items={tokens} keyOf={(token) => token.name}>
          There is no token. Programs and users on other machines need one.
        </Listing>
      </section>
      {creating.value && <CreateDialog onCreated={read} onClose={() => (creating.value = false)} />}
      {removing.value && <RemoveDialog token={removing.value} onRemoved={read} onClose={() => (removing.value = null)} />}
    </div>
  );
}
