/** Switches a page's icon to one with a dot and back. Both are files of this origin. */
export function favicon(link: HTMLLinkElement | null, plain: string, dotted: string): (unread: boolean) => void {
  let shown = plain;
  return (unread) => {
    const href = unread ? dotted : plain;
    if (link === null || href === shown) return;
    shown = href;
    link.href = href;
  };
}
