/** The texts of the player's menu and picker, which are loaded with them. */
import { texts } from "../text";

export const PANELS = {
  en: {
    reportWhy: "What is wrong with it?",
    reportHint: "The author does not learn who reported it.",
    reportMore: "Anything else we should know?",
    reportSend: "Send report",
    why_spam: "Spam or an advert",
    why_nudity: "Nudity or sexual content",
    why_hate: "Hate or harassment",
    why_violence: "Violence or danger",
    why_rights: "It is somebody else's work",
    why_other: "Something else",
    group_feelings: "Feelings",
    group_hands: "Hands and hearts",
    group_moments: "Moments",
  },
  de: {
    reportWhy: "Was stimmt damit nicht?",
    reportHint: "Wer gemeldet hat, erfährt der Autor nicht.",
    reportMore: "Sollten wir noch etwas wissen?",
    reportSend: "Meldung senden",
    why_spam: "Spam oder Werbung",
    why_nudity: "Nacktheit oder sexuelle Inhalte",
    why_hate: "Hass oder Belästigung",
    why_violence: "Gewalt oder Gefahr",
    why_rights: "Es ist das Werk eines anderen",
    why_other: "Etwas anderes",
    group_feelings: "Gefühle",
    group_hands: "Hände und Herzen",
    group_moments: "Momente",
  },
};

export const t = texts(PANELS);
