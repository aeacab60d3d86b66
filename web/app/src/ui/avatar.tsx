import { initials, tone } from "../format/text.ts";
import { useChat } from "../state/chat.ts";
import { People } from "./icons.tsx";

export interface AvatarProps {
  name: string;
  group?: boolean;
  /** Rem; default by the stylesheet. */
  size?: number;
}

/** A round face with initials, in a tone that belongs to the name. Decoration only. */
export function Avatar({ name, group = false, size, children }: AvatarProps & { children?: preact.ComponentChildren }) {
  const style: Record<string, string> = { "--tone": `var(--tone-${tone(name)})` };
  if (size !== undefined) style["--size"] = `${size}rem`;
  return (
    <span class={group ? "avatar group" : "avatar"} style={style} aria-hidden="true">
      {group && name === "" ? <People /> : initials(name)}
      {children}
    </span>
  );
}

/** A face with a dot while the user is online. */
export function UserAvatar({ user, size }: { user: string; size?: number }) {
  const { parley } = useChat();
  const online = parley.features.value.has("presence") && parley.presence(user).value?.online === true;
  return (
    <Avatar name={user} {...(size === undefined ? {} : { size })}>
      {online && <span class="dot" />}
    </Avatar>
  );
}
