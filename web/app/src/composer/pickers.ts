import { lazy } from "../ui/lazy.tsx";

/** The emoji picker, with its names, fetched when it is first opened. */
export const EmojiPicker = lazy(async () => (await import("./picker.tsx")).EmojiPicker);
