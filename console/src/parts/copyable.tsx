// Text that the user copies, such as lines for a command line.

import { notify } from "../ui";

export function Copyable({ title, text }: { title: string; text: string }) {
  const copy = async (): Promise<void> => {
    try {
      await navigator.clipboard.writeText(text);
      notify("info", "copied");
    } catch {
      notify("error", "the browser does not allow this page to copy; select the text instead");
    }
  };
  return (
    <section class="lines">
      <h3>
        {title}
        <button type="button" class="quiet small" aria-label={`Copy the text of ${title}`} onClick={() => void copy()}>
          Copy
        </button>
      </h3>
      <pre tabIndex={0} role="region" aria-label={title}>
        {text}
      </pre>
    </section>
  );
}
