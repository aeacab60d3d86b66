import { useTexts } from "../state/chat.ts";
import { Close, File } from "../ui/icons.tsx";
import type { Upload, Uploads } from "./uploads.ts";

/** The files of the message that is being written. */
export function UploadStrip({ uploads }: { uploads: Uploads }) {
  return (
    <ul class="uploads">
      {uploads.list.value.map((u) => (
        <Item key={u.key} u={u} uploads={uploads} />
      ))}
    </ul>
  );
}

function Item({ u, uploads }: { u: Upload; uploads: Uploads }) {
  const t = useTexts();
  const problem = u.problem.value;
  const busy = u.done.value === undefined && problem === undefined;
  const part = u.progress.value;
  return (
    <li class={problem === undefined ? "upload" : "upload failed"}>
      {u.preview !== undefined && problem === undefined ? (
        <img src={u.preview} alt={u.name} />
      ) : (
        <span class="label">
          <File />
          {problem === undefined ? u.name : t.uploadFailed(u.name)}
        </span>
      )}
      {busy && <progress value={part} max={1} aria-label={t.uploading(u.name, Math.round(part * 100))} />}
      {problem !== undefined && (
        <button type="button" class="link" title={problem} onClick={() => uploads.again(u.key)}>
          {t.retry}
        </button>
      )}
      <button type="button" class="icon-button" aria-label={t.removeFile(u.name)} onClick={() => uploads.remove(u.key)}>
        <Close size={14} />
      </button>
    </li>
  );
}
