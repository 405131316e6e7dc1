// A modal dialog: the browser keeps the focus in it, and Escape closes it. Messages of the page are behind it and screen
// readers do not read them out, so it shows the last error itself.

import type { ComponentChildren } from "preact";
import { useEffect, useRef } from "preact/hooks";
import { lastErrorSince, lastNoticeId } from "../ui";
import { Icon } from "./icon";

interface DialogProps {
  title: string;
  onClose: () => void;
  children: ComponentChildren;
}

export function Dialog({ title, onClose, children }: DialogProps) {
  const dialog = useRef<HTMLDialogElement>(null);
  const openedAt = useRef(lastNoticeId());
  const error = lastErrorSince(openedAt.current);
  useEffect(() => {
    dialog.current?.showModal();
  }, []);
  return (
    <dialog ref={dialog} aria-label={title} onClose={onClose}>
      <h2>{title}</h2>
      {children}
      {error && (
        <p class="bad" role="alert">
          <Icon name="alert" /> {error}
        </p>
      )}
    </dialog>
  );
}

interface DialogButtonsProps {
  danger?: boolean;
  disabled?: boolean;
  onCancel: () => void;
  children: ComponentChildren;
}

/** The button that submits the form of a dialog, and the one that closes the dialog. */
export function DialogButtons({ danger = false, disabled = false, onCancel, children }: DialogButtonsProps) {
  return (
    <div class="buttons">
      <button type="submit" class={danger ? "danger" : undefined} disabled={disabled}>
        {children}
      </button>
      <button type="button" class="quiet" onClick={onCancel}>
        Cancel
      </button>
    </div>
  );
}
