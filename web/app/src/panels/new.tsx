import { useSignal } from "@preact/signals";
import { validUser } from "../format/user.ts";
import { attempt, useChat, useTexts } from "../state/chat.ts";
import { Close } from "../ui/icons.tsx";
import { Sheet } from "../ui/dialogs.tsx";

const utf8 = new TextEncoder();

/** Begins a conversation with a person, or makes a group. */
export function NewConversation({ close }: { close: () => void }) {
  const { parley } = useChat();
  const t = useTexts();
  const kind = useSignal<"person" | "group">("person");
  const groups = parley.features.value.has("groups");
  return (
    <Sheet title={t.newChat} close={close}>
      {groups && (
        <div class="choice" role="radiogroup" aria-label={t.newChat}>
          {(["person", "group"] as const).map((k) => (
            <label key={k}>
              <input type="radio" name="parley-kind" checked={kind.value === k} onChange={() => (kind.value = k)} />
              {t[k]}
            </label>
          ))}
        </div>
      )}
      {kind.value === "person" ? <PersonForm /> : <GroupForm />}
    </Sheet>
  );
}

function PersonForm() {
  const { router } = useChat();
  const t = useTexts();
  const name = useSignal("");
  const user = name.value.trim();
  const wrong = user !== "" && !validUser(user);
  return (
    <form
      class="form"
      onSubmit={(e) => {
        e.preventDefault();
        if (validUser(user)) router.go({ peer: user }, "replace");
      }}
    >
      <div class="field">
        <label for="new-user">{t.userName}</label>
        <input
          id="new-user"
          class="input"
          autofocus
          autocomplete="off"
          autocapitalize="none"
          spellcheck={false}
          aria-invalid={wrong}
          aria-describedby="new-user-hint"
          value={name.value}
          onInput={(e) => (name.value = e.currentTarget.value)}
        />
        <p id="new-user-hint" class={wrong ? "problem" : "hint"}>
          {t.nameRule}
        </p>
      </div>
      <button type="submit" class="button primary" disabled={!validUser(user)}>
        {t.start}
      </button>
    </form>
  );
}

function GroupForm() {
  const chat = useChat();
  const { parley, router } = chat;
  const t = useTexts();
  const title = useSignal("");
  const members = useSignal<readonly string[]>([]);
  const all = useSignal(false);
  const busy = useSignal(false);
  const name = title.value.trim();
  const tooLong = utf8.encode(name).length > 256;
  const ready = name !== "" && !tooLong && !busy.value;
  const create = async (e: Event) => {
    e.preventDefault();
    if (!ready) return;
    busy.value = true;
    const c = await attempt(chat, parley.createGroup({ title: name, members: members.peek(), ...(all.peek() ? { history: "all" as const } : {}) }));
    busy.value = false;
    if (c !== undefined) router.go({ conv: c.id }, "replace");
  };
  return (
    <form class="form" onSubmit={(e) => void create(e)}>
      <div class="field">
        <label for="new-title">{t.groupTitle}</label>
        <input id="new-title" class="input" dir="auto" autofocus value={title.value} aria-invalid={tooLong} onInput={(e) => (title.value = e.currentTarget.value)} />
        {tooLong && <p class="problem">{t.titleTooLong}</p>}
      </div>
      <UserField label={t.members} users={members.value} change={(users) => (members.value = users)} />
      <label class="item">
        <span class="grow">{t.historyAll}</span>
        <input type="checkbox" class="switch" role="switch" checked={all.value} onChange={(e) => (all.value = e.currentTarget.checked)} />
      </label>
      <button type="submit" class="button primary" disabled={!ready}>
        {t.createGroup}
      </button>
    </form>
  );
}

/** Names, one after the other, each with Enter or a comma. */
export function UserField({ label, users, change }: { label: string; users: readonly string[]; change: (users: readonly string[]) => void }) {
  const { parley } = useChat();
  const t = useTexts();
  const text = useSignal("");
  const wrong = useSignal("");
  const me = parley.me.value?.user;
  const known = parley.conversations.value.flatMap((c) => c.info.value.peer ?? []).filter((u) => u !== me && !users.includes(u));
  const take = (typed: string) => {
    const names = typed.split(/[\s,;\uff0c\u3001]+/).filter((n) => n !== "");
    const bad = names.find((n) => !validUser(n));
    wrong.value = bad === undefined ? "" : t.badUser(bad);
    if (bad !== undefined) return;
    change([...new Set([...users, ...names.filter((n) => n !== me)])]);
    text.value = "";
  };
  return (
    <div class="field">
      <label for="add-user">{label}</label>
      {users.length > 0 && (
        <div class="tags">
          {users.map((u) => (
            <span class="tag" key={u}>
              <span class="cut">{u}</span>
              <button type="button" class="icon-button small" aria-label={t.removeUser(u)} onClick={() => change(users.filter((o) => o !== u))}>
                <Close size={14} />
              </button>
            </span>
          ))}
        </div>
      )}
      <input
        id="add-user"
        class="input"
        list="parley-known-users"
        autocomplete="off"
        autocapitalize="none"
        spellcheck={false}
        aria-describedby="add-user-hint"
        aria-invalid={wrong.value !== ""}
        value={text.value}
        onInput={(e) => {
          text.value = e.currentTarget.value;
          wrong.value = "";
          if (/[\s,;\uff0c\u3001]$/.test(text.peek())) take(text.peek());
        }}
        onKeyDown={(e) => {
          if (e.key === "Enter" && !e.isComposing && text.peek().trim() !== "") {
            e.preventDefault();
            take(text.peek());
          } else if (e.key === "Backspace" && text.peek() === "") change(users.slice(0, -1));
        }}
        onBlur={() => text.peek().trim() !== "" && take(text.peek())}
      />
      <datalist id="parley-known-users">
        {known.slice(0, 50).map((u) => (
          <option key={u} value={u} />
        ))}
      </datalist>
      <p id="add-user-hint" class={wrong.value === "" ? "hint" : "problem"}>
        {wrong.value === "" ? t.addMemberHint : wrong.value}
      </p>
    </div>
  );
}
