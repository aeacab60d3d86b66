import { useSignal } from "@preact/signals";
import { useTexts } from "../state/chat.ts";
import { validUser } from "../format/user.ts";
import { Logo } from "./icons.tsx";

/** Asks for a name. `signIn` resolves to false if the server gives no tokens, and rejects if it cannot be asked. */
export function SignIn({ signIn }: { signIn: (user: string) => Promise<boolean> }) {
  const t = useTexts();
  const name = useSignal("");
  const wrong = useSignal("");
  const busy = useSignal(false);
  const user = name.value.trim();
  const bad = user !== "" && !validUser(user);
  const submit = async (e: Event) => {
    e.preventDefault();
    if (!validUser(user)) return;
    busy.value = true;
    wrong.value = "";
    try {
      if (!(await signIn(user))) wrong.value = t.noDevTokens;
    } catch {
      wrong.value = t.signInFailed;
    }
    busy.value = false;
  };
  return (
    <main class="sign-in">
      <form onSubmit={(e) => void submit(e)}>
        <h1>
          <Logo size={36} />
          {t.app}
        </h1>
        <p class="hint">{t.signInHint}</p>
        <div class="field">
          <label for="sign-in-name">{t.yourName}</label>
          <input
            id="sign-in-name"
            class="input"
            name="username"
            autocomplete="username"
            autocapitalize="none"
            spellcheck={false}
            autofocus
            aria-invalid={bad}
            aria-describedby="sign-in-hint"
            value={name.value}
            onInput={(e) => (name.value = e.currentTarget.value)}
          />
          <p id="sign-in-hint" class={bad ? "problem" : "hint"}>
            {t.nameRule}
          </p>
        </div>
        <div role="alert">{wrong.value !== "" && <p class="problem">{wrong.value}</p>}</div>
        <button type="submit" class="button primary" disabled={!validUser(user) || busy.value}>
          {t.signIn}
        </button>
      </form>
    </main>
  );
}
