const units = ["B", "KB", "MB", "GB", "TB"];

/** A number of bytes as people read it: 3 KB, 1.5 MB. */
export function bytes(n: number, lang: string): string {
  let unit = 0;
  while (n >= 1000 && unit < units.length - 1) {
    n /= 1024;
    unit++;
  }
  return `${new Intl.NumberFormat(lang, { maximumFractionDigits: n < 10 && unit > 0 ? 1 : 0 }).format(n)} ${units[unit]}`;
}

/** A count for a badge, at most three characters wide. */
export function badge(n: number, exact: boolean): string {
  if (n > 99) return "99+";
  return exact ? String(n) : `${n}+`;
}

const utf8 = new TextEncoder();

/** How many bytes a text has on the wire; limits are in bytes. */
export const byteLength = (text: string): number => utf8.encode(text).length;
