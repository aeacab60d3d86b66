import type { ComponentChildren, RefObject } from "preact";
import { useEffect, useRef } from "preact/hooks";
import { useSignal } from "@preact/signals";
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
export function Avatar({ name, group = false, size, children, box }: AvatarProps & { children?: ComponentChildren; box?: RefObject<HTMLSpanElement | null> }) {
  const style: Record<string, string> = { "--tone": `var(--tone-${tone(name)})` };
  if (size !== undefined) style["--size"] = `${size}rem`;
  return (
    <span ref={box ?? null} class={group ? "avatar group" : "avatar"} style={style} aria-hidden="true">
      {group && name === "" ? <People /> : initials(name)}
      {children}
    </span>
  );
}

/**
 * A face with a dot while the user is online. The server tells of a few hundred users
 * at most, so nobody asks about a face that is out of sight.
 */
export function UserAvatar({ user, size }: { user: string; size?: number }) {
  const { parley } = useChat();
  const box = useRef<HTMLSpanElement>(null);
  const inSight = useSignal(false);
  useEffect(() => {
    if (box.current === null) return;
    const observer = new IntersectionObserver((seen) => (inSight.value = seen.at(-1)?.isIntersecting === true));
    observer.observe(box.current);
    return () => observer.disconnect();
  }, []);
  const online = inSight.value && parley.features.value.has("presence") && parley.presence(user).value?.online === true;
  return (
    <Avatar name={user} box={box} {...(size === undefined ? {} : { size })}>
      {online && <span class="dot" />}
    </Avatar>
  );
}
