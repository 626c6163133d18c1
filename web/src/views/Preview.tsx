import type { RefObject } from "preact";
import { lengthOf } from "../capture/cut";

interface Props {
  url: string;
  /** Where to put the element of a clip; null for a photo. */
  clip: RefObject<HTMLVideoElement> | null;
  style: Record<string, string>;
  /** The part of the clip that is played again and again. */
  range: { from: number; to: number } | null;
  onSize: (width: number, height: number) => void;
  /** The clip's length, in seconds. */
  onLength: (length: number) => void;
}

/** The photo or clip as it will be seen. */
export function Preview({ url, clip, style, range, onSize, onLength }: Props) {
  if (!clip) {
    return (
      <img
        src={url}
        alt=""
        style={style}
        onLoad={({ currentTarget: photo }) => onSize(photo.naturalWidth, photo.naturalHeight)}
      />
    );
  }
  return (
    <video
      ref={clip}
      src={url}
      muted
      autoplay
      loop
      playsInline
      style={style}
      onLoadedMetadata={({ currentTarget: video }) => {
        onSize(video.videoWidth, video.videoHeight);
        void lengthOf(video).then(onLength, () => undefined);
      }}
      onTimeUpdate={({ currentTarget: video }) => {
        const outside = range && (video.currentTime > range.to || video.currentTime < range.from - 0.3);
        if (outside && !video.seeking) video.currentTime = range.from;
      }}
    />
  );
}
