/** Tells a client what the browser says of the network and of the page; the result ends that. */
export function watchBrowser(client: { setOnline(online: boolean): void; setVisible(visible: boolean): void }): () => void {
  const online = (): void => client.setOnline(navigator.onLine);
  const visible = (): void => client.setVisible(document.visibilityState === "visible");
  addEventListener("online", online);
  addEventListener("offline", online);
  document.addEventListener("visibilitychange", visible);
  addEventListener("pageshow", visible);
  const gone = (): void => client.setVisible(false); // on phones a page may go without having been hidden
  addEventListener("pagehide", gone);
  return () => {
    removeEventListener("online", online);
    removeEventListener("offline", online);
    document.removeEventListener("visibilitychange", visible);
    removeEventListener("pageshow", visible);
    removeEventListener("pagehide", gone);
  };
}
