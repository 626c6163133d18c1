/** Every text of the interface, by language. English is built in, others are loaded when chosen. */
import { signal } from "@preact/signals";

export const EN = {
  accounts: "Choose who you are",
  accountsHint: "Development only: any name works, and needs no password.",
  add: "Add",
  addComment: "Add a comment…",
  addText: "Text",
  altText: "Description for people who cannot see it",
  apply: "Done",
  audience: "Who can see it",
  author: "Story of {name}",
  back: "Previous story",
  backAuthor: "Previous person",
  block: "Block {name}",
  blocked: "{name} is blocked",
  cancel: "Cancel",
  cannotPlay: "This browser cannot play this clip.",
  caption: "Caption",
  captions: "Captions",
  choose: "Choose a photo or clip",
  chooseHint: "or drop it here. Photos and clips up to {size}.",
  close: "Close",
  close_friends: "Close friends",
  color: "Colour {name}",
  commentDeleted: "Comment deleted",
  comments: "Comments",
  commentsNone: "No comments yet",
  commentsFor: "Who can comment",
  copied: "Link copied",
  copyLink: "Copy link",
  create: "New story",
  delete: "Delete",
  deleteAsk: "Delete this story for everyone?",
  deleteHint: "It disappears at once, and is erased from every store within seconds.",
  done: "Complete",
  empty: "No stories yet",
  emptyHint: "Follow people, or post the first story yourself.",
  end: "End of the list",
  ended: "This story has ended",
  everyone: "Everyone",
  explain: "The server says: {text}",
  failed: "That did not work",
  filter: "Filter",
  follow: "Follow",
  followHint: "The name they sign in with",
  followPeople: "Follow someone",
  followed: "You follow {name}",
  followers: "Followers",
  following: "Following",
  font: "Font",
  forYou: "For you",
  friends: "Friends",
  hashtag: "Hashtag",
  home: "Home",
  label: "Story",
  language: "Language",
  left: "{time} left",
  lifetime: "How long",
  like: "React",
  link: "Link",
  live: "live",
  loading: "Loading",
  me: "Me",
  mention: "Mention",
  more: "More",
  mute: "Mute {name}",
  muted: "You will not see stories of {name} any more",
  name: "Name",
  next: "Next story",
  nextAuthor: "Next person",
  nobody: "Nobody",
  offline: "No connection. Trying again…",
  option: "Option {n}",
  pause: "Pause",
  place: "Move, turn and resize it with your fingers, or use the arrow keys and [ ]",
  play: "Play",
  poll: "Poll",
  post: "Share story",
  posted: "Your story is live",
  processing: "Processing…",
  promoCopied: "Code copied",
  quiz: "Quiz",
  rightOption: "Correct option",
  promo_code: "Promo code",
  question: "Question",
  react: "Reactions",
  reacted: "You reacted with {emoji}",
  reason_changed: "The file changed while it was being processed. Send it again.",
  reason_damaged: "The file is damaged or incomplete. Export it again and retry.",
  reason_not_media: "This is not a photo or clip. Choose a JPEG, PNG, MP4 or similar file.",
  reason_still_images_off: "Photos are switched off here. Post a clip instead.",
  reason_timed_out: "This clip takes too long to process. Try a shorter or smaller one.",
  reason_too_large: "The file is too large. Choose a smaller one.",
  reason_too_long: "The clip is too long. Trim it and try again.",
  reason_type_mismatch: "The content does not match the file's name. Export it again.",
  reason_unsupported: "This format is not supported. Export it as MP4 (H.264) or JPEG.",
  receipt: "Erasure receipt",
  receiptHint: "Each store confirms that nothing is left of the story.",
  remove: "Remove",
  replies: "{n} replies",
  reply: "Reply",
  replyTo: "Reply to {name}",
  report: "Report",
  reported: "Thank you. We will look at it.",
  retry: "Try again",
  rotation: "Turn",
  seen: "seen",
  send: "Send",
  share: "Share",
  signIn: "Continue",
  signInAt: "You sign in at {host} and come back here.",
  signInEnded: "Your session has ended. Sign in again.",
  signInFailed: "Signing in did not work: {text}",
  signOut: "Sign out",
  size: "Size",
  soundOff: "Mute",
  soundOn: "Turn sound on",
  sticker: "Stickers",
  stories: "Stories",
  storyOf: "{name}, story {n} of {total}",
  tapToPlay: "Tap to play",
  textStory: "Write a text story",
  theme: "Appearance",
  theme_auto: "Automatic",
  theme_dark: "Dark",
  theme_light: "Light",
  token: "Access token",
  tokenHint: "This installation signs in through your app. Paste a token to look around.",
  tooMany: "That was a lot at once. Try again in {n} s.",
  trayLabel: "Stories of people you follow",
  unfollow: "Unfollow",
  unfollowed: "You no longer follow {name}",
  unseen: "new",
  uploadPaused: "Paused at {n} %",
  resume: "Continue",
  uploading: "Uploading {n} %",
  viewers: "Viewers",
  viewersNone: "Nobody has seen it yet",
  votes: "{n} %",
  watch: "Watch",
  welcome: "Stories that are really gone.",
  welcomeHint: "Share a moment. It ends when you say, and leaves nothing behind.",
  write: "Say something…",
  yours: "Your story",
  yourStories: "Your stories",
  yourStoriesNone: "Nothing is live. What you post shows up here.",
  store_media: "Photo or clip",
  store_feed: "Trays and feeds",
  store_engagement: "Views, reactions, comments",
  text_add: "Type something",
  settings: "Settings",
  people: "People you follow",
  mentions: "Mentions of you",
  state_draft: "Draft",
  state_processing: "Processing",
  state_refused: "Refused",
  state_scheduled: "Scheduled",
  state_live: "Live",
  noFollowing: "You follow nobody yet",
  deleteComment: "Delete comment",
  backHome: "Back",
  listMe: "Show me in viewer lists",
  saved: "Saved",
  hiddenPeople: "Muted or blocked ({n})",
  unmute: "Show again",
  unblock: "Unblock",
  hideFrom: "Hide it from",
  asAdmin: "As an admin",
  scenes: "Behind the scenes",
  moderation: "Moderation",
  notify: "Tell me about new stories",
  notifyStop: "Stop telling me",
  notifyOn: "New stories of {name} are announced",
  notifyOff: "New stories of {name} are not announced",
  when: "When",
  whenNow: "Now",
  whenLater: "Later",
  whenAt: "Goes live at",
  schedule: "Schedule story",
  scheduled: "Your story is scheduled",
  reschedule: "Change the time",
  whyTitle: "Can somebody see it?",
  whyHint: "Their name",
  whyCheck: "Check",
  whyYes: "{name} can see it",
  whyNo: "{name} cannot see it",
  rule_state: "It is live",
  rule_block: "Neither has blocked the other",
  rule_hide_from: "You do not hide it from them",
  rule_audience: "They are in the audience",
  rule_rollout: "Stories are on for them",
  rule_freshness: "The server is up to date",
  effect_none: "None",
  effect_warm: "Warm",
  effect_cool: "Cool",
  effect_vivid: "Vivid",
  effect_fade: "Fade",
  effect_mono: "Mono",
};

export type Key = keyof typeof EN;
type Catalogue = Record<Key, string>;

const LANGUAGES = { en: "English", de: "Deutsch" } as const;
type Language = keyof typeof LANGUAGES;
export const languages = Object.entries(LANGUAGES) as [Language, string][];

const catalogue = signal<Catalogue>(EN);
export const language = signal<Language>("en");

type Values = Record<string, string | number>;
const filled = (text: string, values: Values) =>
  text.replace(/\{(\w+)\}/g, (_, name: string) => String(values[name] ?? ""));

export function t(key: Key, values: Values = {}): string {
  return filled(catalogue.value[key], values);
}

/** The texts of a view that is loaded by itself, in every language. */
export function texts<Texts extends Record<string, string>>(of: Record<Language, Texts>) {
  return (key: keyof Texts, values: Values = {}): string => filled(of[language.value][key] as string, values);
}

export async function speak(wanted: string): Promise<void> {
  const known: Language = wanted === "de" ? "de" : "en";
  catalogue.value = known === "de" ? (await import("./text.de")).DE : EN;
  language.value = known;
  document.documentElement.lang = known;
}

/** "3 h", "12 min", "40 s": how long something is, in the largest unit that fits. */
export function span(ms: number): string {
  const seconds = Math.max(0, Math.round(ms / 1000));
  const [amount, unit] =
    seconds < 60
      ? [seconds, "second"]
      : seconds < 3600
        ? [seconds / 60, "minute"]
        : seconds < 86_400
          ? [seconds / 3600, "hour"]
          : [seconds / 86_400, "day"];
  return new Intl.NumberFormat(language.value, { style: "unit", unit: unit as string, unitDisplay: "narrow" }).format(
    Math.floor(amount as number),
  );
}

/** A date and a time of day. */
export const moment = (time: string) =>
  new Intl.DateTimeFormat(language.value, { dateStyle: "medium", timeStyle: "short" }).format(Date.parse(time));

export function bytes(size: number): string {
  return new Intl.NumberFormat(language.value, { style: "unit", unit: "megabyte", maximumFractionDigits: 0 }).format(
    size / 1_048_576,
  );
}
