import { useRef } from "preact/hooks";
import { t } from "../text";
import type { Play } from "./session";

const HOLD_MS = 200;
const SWIPE_PX = 60;

/** Taps, holds and swipes. The zones lie under the layers, so that stickers stay usable. */
export function TapZones({ play, onClose }: { play: Play; onClose: () => void }) {
  const start = useRef<{ x: number; y: number; moved: boolean; held: boolean; timer: number } | null>(null);
  const swallow = useRef(false);
  const stageOf = (event: PointerEvent) => (event.currentTarget as HTMLElement).closest<HTMLElement>(".stage");
  const down = (event: PointerEvent) => {
    if (event.button !== 0) return;
    swallow.current = false;
    const timer = window.setTimeout(() => {
      if (start.current) start.current.held = true;
      play.dispatch({ type: "pause", reason: "hold" });
    }, HOLD_MS);
    start.current = { x: event.clientX, y: event.clientY, moved: false, held: false, timer };
    (event.target as HTMLElement).setPointerCapture(event.pointerId);
  };
  const move = (event: PointerEvent) => {
    const begun = start.current;
    if (!begun) return;
    const dx = event.clientX - begun.x;
    const dy = event.clientY - begun.y;
    if (Math.hypot(dx, dy) > 12) begun.moved = true;
    const stage = stageOf(event);
    if (!begun.moved || !stage) return;
    stage.style.transform =
      Math.abs(dx) > Math.abs(dy) ? `translateX(${dx * 0.6}px)` : `translateY(${Math.max(0, dy) * 0.6}px)`;
  };
  const up = (event: PointerEvent) => {
    const begun = start.current;
    start.current = null;
    if (!begun) return;
    clearTimeout(begun.timer);
    const stage = stageOf(event);
    if (stage) stage.style.transform = "";
    if (begun.held) play.dispatch({ type: "resume", reason: "hold" });
    swallow.current = begun.held || begun.moved;
    if (!begun.moved || event.type === "pointercancel") return;
    const dx = event.clientX - begun.x;
    const dy = event.clientY - begun.y;
    const forward = document.dir === "rtl" ? dx > 0 : dx < 0;
    if (Math.abs(dx) > Math.abs(dy) && Math.abs(dx) > SWIPE_PX)
      play.dispatch({ type: "author", step: forward ? 1 : -1 });
    else if (dy > SWIPE_PX * 1.5) onClose();
  };
  const tap = (type: "next" | "back") => () => {
    if (!swallow.current) play.dispatch({ type });
    swallow.current = false;
  };
  return (
    // biome-ignore lint/a11y/noStaticElementInteractions: touches only; the buttons and keys do the same
    <div
      class="zones"
      onPointerDown={down}
      onPointerMove={move}
      onPointerUp={up}
      onPointerCancel={up}
      onContextMenu={(event) => event.preventDefault()}
    >
      <button type="button" class="zone back" aria-label={t("back")} onClick={tap("back")} />
      <button type="button" class="zone next" aria-label={t("next")} onClick={tap("next")} />
    </div>
  );
}
