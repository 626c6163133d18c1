/** The picture with its layers, which are placed and turned by hand, or with the keyboard. */
import { useRef } from "preact/hooks";
import type { Item, Layer } from "stories-client";
import { frame } from "../player/geometry";
import { Content } from "../player/Layers";
import { type Key, t } from "../text";
import { Icon } from "../ui/parts";
import { dragged, type Point, pinched, turned } from "./layerGestures";

interface Props {
  layers: Layer[];
  selected: number | null;
  onSelect: (index: number | null) => void;
  onChange: (index: number, changes: Partial<Layer>) => void;
  /** The picture is moved by a share of the canvas. */
  onPan?: (dx: number, dy: number) => void;
  ratio: number;
  style: Record<string, string>;
  children: preact.ComponentChildren;
}

/** The fingers on a layer: where each began, where it is, and what the layer was when the last one came or went. */
interface Hand {
  from: Layer;
  begun: Map<number, Point>;
  at: Map<number, Point>;
  /** The middle of the layer, where the handle is what is held. */
  middle?: Point;
}

const STEPS: Record<string, (layer: Layer) => Partial<Layer>> = {
  ArrowLeft: ({ x }) => ({ x: Math.max(0, x - 0.02) }),
  ArrowRight: ({ x }) => ({ x: Math.min(1, x + 0.02) }),
  ArrowUp: ({ y }) => ({ y: Math.max(0, y - 0.02) }),
  ArrowDown: ({ y }) => ({ y: Math.min(1, y + 0.02) }),
  "[": ({ rotation = 0 }) => ({ rotation: Math.max(-180, rotation - 5) }),
  "]": ({ rotation = 0 }) => ({ rotation: Math.min(180, rotation + 5) }),
};

export function Canvas({ layers, selected, onSelect, onChange, onPan, ratio, style, children }: Props) {
  const box = useRef<HTMLDivElement>(null);
  const pan = useRef<Point | null>(null);
  const hand = useRef<Hand | null>(null);

  const put = (event: PointerEvent, layer: Layer, middle?: Point) => {
    (event.currentTarget as HTMLElement).setPointerCapture(event.pointerId);
    const at = new Map(hand.current?.at ?? []).set(event.pointerId, { x: event.clientX, y: event.clientY });
    hand.current = { from: layer, begun: new Map(at), at, middle };
  };
  const move = (event: PointerEvent, index: number) => {
    const canvas = box.current?.getBoundingClientRect();
    const held = hand.current;
    if (!held?.at.has(event.pointerId) || !canvas) return;
    held.at.set(event.pointerId, { x: event.clientX, y: event.clientY });
    const [begun, second] = [...held.begun.values()];
    const [at, other] = [...held.at.values()];
    if (!begun || !at) return;
    if (held.middle) onChange(index, turned(held.from, held.middle, begun, at));
    else if (second && other) onChange(index, pinched(held.from, [begun, second], [at, other], canvas));
    else onChange(index, dragged(held.from, begun, at, canvas));
  };
  const lift = (event: PointerEvent, layer: Layer) => {
    const at = new Map(hand.current?.at ?? []);
    at.delete(event.pointerId);
    hand.current = at.size ? { from: layer, begun: new Map(at), at } : null;
  };

  return (
    <div
      class="canvas"
      style={{ ...style, "--ratio": String(ratio) }}
      ref={box}
      onPointerDown={(event) => {
        if (event.target !== box.current) return;
        onSelect(null);
        if (!onPan) return;
        pan.current = { x: event.clientX, y: event.clientY };
        event.currentTarget.setPointerCapture(event.pointerId);
      }}
      onPointerMove={(event) => {
        const size = box.current?.getBoundingClientRect();
        if (!pan.current || !size) return;
        onPan?.((event.clientX - pan.current.x) / size.width, (event.clientY - pan.current.y) / size.height);
        pan.current = { x: event.clientX, y: event.clientY };
      }}
      onPointerUp={() => {
        pan.current = null;
      }}
    >
      {children}
      <div class="layers editing">
        {layers.map((layer, index) => (
          <div
            key={index}
            class={`layer ${layer.kind} ${selected === index ? "selected" : ""}`}
            style={frame(layer)}
            role="button"
            tabIndex={0}
            onFocus={() => onSelect(index)}
            onPointerDown={(event) => {
              onSelect(index);
              put(event, layer);
            }}
            onPointerMove={(event) => move(event, index)}
            onPointerUp={(event) => lift(event, layer)}
            onPointerCancel={(event) => lift(event, layer)}
            onKeyDown={(event) => {
              const step = STEPS[event.key];
              if (!step) return;
              event.preventDefault();
              onChange(index, step(layer));
            }}
          >
            <span class="hidden-text">
              {t(layer.kind === "text" ? "addText" : (layer.kind as Key))}. {t("place")}
            </span>
            <div class="inert" inert>
              <Content
                layer={layer.kind === "text" && !layer.text ? { ...layer, text: t("text_add") } : layer}
                item={{} as Item}
                ratio={ratio}
                own
              />
            </div>
            {selected === index && (
              <span
                class="turn-handle"
                aria-hidden="true"
                onPointerDown={(event) => {
                  event.stopPropagation();
                  const lies = event.currentTarget.parentElement?.getBoundingClientRect();
                  if (lies) put(event, layer, { x: lies.x + lies.width / 2, y: lies.y + lies.height / 2 });
                }}
              >
                <Icon name="turn" />
              </span>
            )}
          </div>
        ))}
      </div>
    </div>
  );
}
