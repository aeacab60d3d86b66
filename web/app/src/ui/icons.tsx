// Icons: drawn for Parley on a grid of 24, lines of 1.75.

import type { ComponentChildren } from "preact";

export interface IconProps {
  size?: number;
}

const icon =
  (children: ComponentChildren) =>
  ({ size = 20 }: IconProps) => (
    <svg width={size} height={size} viewBox="0 0 24 24" fill="none" stroke="currentColor" stroke-width="1.75" stroke-linecap="round" stroke-linejoin="round" aria-hidden="true">
      {children}
    </svg>
  );

export const Back = icon(<path d="M14.5 5.5 8 12l6.5 6.5" />);
export const Forward = icon(<path d="M9.5 5.5 16 12l-6.5 6.5" />);
export const Close = icon(<path d="m6.5 6.5 11 11m0-11-11 11" />);
export const Search = icon(<><circle cx="11" cy="11" r="6" /><path d="m15.5 15.5 4 4" /></>);
export const Compose = icon(<><path d="M12.5 5H7a3 3 0 0 0-3 3v9a3 3 0 0 0 3 3h9a3 3 0 0 0 3-3v-5.5" /><path d="m10 14 .7-3L18 3.700a1.6 1.6 0 0 1 2.3 2.300L13 13.300z" /></>);
export const Gear = icon(<><circle cx="12" cy="12" r="3" /><path d="M12 3.500v2.200m0 12.600v2.200M3.5 12h2.200m12.6 0h2.200M6 6l1.5 1.500m9 9L18 18m0-12-1.5 1.500m-9 9L6 18" /></>);
export const Send = icon(<path d="M20 4 3.8 10.300l6.7 3.200L13.7 20z M20 4l-9.5 9.5" />);
export const Smile = icon(<><circle cx="12" cy="12" r="8.5" /><path d="M8.5 14.300c1.9 2.4 5.1 2.4 7 0M9 9.700v.010m6-.010v.01" /></>);
export const Clip = icon(<path d="m19.5 11.5-7.6 7.600a4.8 4.8 0 0 1-6.8-6.800l8-8a3.2 3.2 0 0 1 4.6 4.600l-7.9 7.900a1.6 1.6 0 0 1-2.3-2.300l7.2-7.2" />);
export const Reply = icon(<path d="M9.5 6 4 11.5 9.5 17m-5-5.500H14a6 6 0 0 1 6 6v.5" />);
export const Pencil = icon(<path d="m5 19 .9-4L16 4.900a1.9 1.9 0 0 1 2.7 0l.4.400a1.9 1.9 0 0 1 0 2.700L9 18.100zM14 7l3 3" />);
export const Trash = icon(<path d="M5 7h14M10 7V4.500h4V7m-7.5 0 .8 12.500h9.400L17.5 7M10.5 11v5m3-5v5" />);
export const Copy = icon(<><rect x="8.5" y="8.5" width="11" height="11" rx="2.5" /><path d="M15.5 8.500v-1a3 3 0 0 0-3-3h-5a3 3 0 0 0-3 3v5a3 3 0 0 0 3 3h1" /></>);
export const Eye = icon(<><path d="M3 12c4-7.3 14-7.3 18 0-4 7.3-14 7.3-18 0z" /><circle cx="12" cy="12" r="2.7" /></>);
export const More = icon(<path stroke-width="2.5" d="M6 12h.010M12 12h.010M18 12h.01" />);
export const Down = icon(<path d="M12 5v14m-6-6 6 6 6-6" />);
export const Up = icon(<path d="M12 19V5m-6 6 6-6 6 6" />);
export const Calendar = icon(<><rect x="4" y="5.5" width="16" height="14.5" rx="3" /><path d="M4 10h16M8.5 3.500v3.500m7-3.500v3.5" /></>);
export const Person = icon(<><circle cx="12" cy="8.5" r="3.8" /><path d="M4.8 20c1.2-8 13.2-8 14.4 0" /></>);
export const People = icon(<><circle cx="9" cy="9" r="3.3" /><path d="M2.8 19c1-7 11.4-7 12.4 0M15.5 5.900a3.3 3.3 0 0 1 0 6.200m2 1.900c2.1.8 3.4 2.5 3.7 5" /></>);
export const AddPerson = icon(<><circle cx="10" cy="8.5" r="3.8" /><path d="M2.8 20c1-8 13.4-8 14.4 0M19 8v6m-3-3h6" /></>);
export const Pin = icon(<path d="M12 15.500V21M8 3.500h8l-1 6.5 3 3.500v2H6v-2L9 10z" />);
export const Bell = icon(<path d="M6 16.500V11a6 6 0 0 1 12 0v5.500l1.5 1.500h-15zM10 20.500h4" />);
export const BellOff = icon(<path d="M4 4l16 16M18 14.500V11a6 6 0 0 0-9.5-4.900M6.2 9.500c-.1.5-.2 1-.2 1.500v5.500L4.5 18H17m-7 2.500h4" />);
export const Archive = icon(<><rect x="3.5" y="4.5" width="17" height="4.5" rx="1.5" /><path d="M5 9v8a2.5 2.5 0 0 0 2.5 2.500h9A2.5 2.5 0 0 0 19 17V9m-9 4h4" /></>);
export const File = icon(<path d="M13.5 3.500H8A2.5 2.5 0 0 0 5.5 6v12A2.5 2.5 0 0 0 8 20.500h8a2.5 2.5 0 0 0 2.5-2.500V8.500zm0 0v5h5" />);
export const Picture = icon(<><rect x="3.5" y="5" width="17" height="14" rx="3" /><path d="m4 16.500 4.500-4.500 4 4 2.500-2.500 5 5" /><circle cx="15.5" cy="9.5" r="1.2" /></>);
export const Save = icon(<path d="M12 4v11m-5-5 5 5 5-5M5 19.500h14" />);
export const Check = icon(<path d="m5 12.5 4.5 4.500L19 7.5" />);
export const Exit = icon(<path d="M10 4.500H7A2.5 2.5 0 0 0 4.5 7v10A2.5 2.5 0 0 0 7 19.500h3M15.5 8l4 4-4 4m3.5-4H9.5" />);
export const Crown = icon(<path d="M4 18h16M4.5 15 3.5 7l5 3.500L12 5l3.5 5.5 5-3.5-1 8z" />);
export const Shield = icon(<path d="M12 3.5 5 6v5.500c0 4.5 3 7.5 7 9 4-1.5 7-4.5 7-9V6z" />);
export const NoEntry = icon(<><circle cx="12" cy="12" r="8.5" /><path d="m6 6 12 12" /></>);
export const Device = icon(<><rect x="3.5" y="5" width="17" height="11" rx="2" /><path d="M9 20h6m-3-4v4" /></>);
export const Alert = icon(<><circle cx="12" cy="12" r="8.5" /><path d="M12 7.500v5.500m0 3.200v.01" /></>);
export const Bubbles = icon(<path d="M15.5 14H9l-4 3.300V14a2.5 2.5 0 0 1-1.5-2.300V7A3 3 0 0 1 6.5 4h9a3 3 0 0 1 3 3v4a3 3 0 0 1-3 3zM9.5 17v.200a2.5 2.5 0 0 0 2.5 2.500h4.500l3 2v-2.300a2.3 2.3 0 0 0 1.5-2.200v-4" />);

/** One tick, two, or a clock: how far a message is. */
export function Ticks({ state }: { state: "pending" | "stored" | "delivered" | "read" | "failed" }) {
  if (state === "failed") return <Alert size={16} />;
  return (
    <svg width="18" height="16" viewBox="0 0 18 16" fill="none" stroke="currentColor" stroke-width="1.6" stroke-linecap="round" stroke-linejoin="round" aria-hidden="true">
      {state === "pending" ? <><circle cx="9" cy="8" r="5" /><path d="M9 5.500V8l1.8 1.2" /></> : state === "stored" ? <path d="m4.5 8.5 3 3 6-7" /> : <path d="m1.5 8.5 3 3 6-7M8 11.200l.5.3 6-7" />}
    </svg>
  );
}

export function Logo({ size = 32 }: IconProps) {
  return (
    <svg class="logo" width={size} height={size} viewBox="0 0 32 32" aria-hidden="true">
      <path fill="currentColor" d="M9 3h14a7 7 0 0 1 7 7v7a7 7 0 0 1-7 7h-8.500l-5.7 4.600A1.1 1.1 0 0 1 7 27.700V23.600A7 7 0 0 1 2 17v-7a7 7 0 0 1 7-7z" />
      <g fill="var(--surface)"><circle cx="10" cy="13.5" r="2" /><circle cx="16" cy="13.5" r="2" /><circle cx="22" cy="13.5" r="2" /></g>
    </svg>
  );
}
