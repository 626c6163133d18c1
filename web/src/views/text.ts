/** The texts of insights and answers, which are loaded with them. */
import { texts } from "../text";

export const ACTIVITY = {
  en: {
    insights: "Insights",
    insightsHint:
      "The last {n} stories, the latest on the right. Stories that have ended keep their figures, but no names.",
    reach: "Reach",
    views: "Views",
    completion: "Watched to the end",
    watched: "Time watched",
    shares: "Shares",
    reachByStory: "Reach by story",
    followersReach: "Followers",
    othersReach: "Others",
    overTime: "Viewers over time",
    dropOff: "Viewers by part",
    part: "Part {n}",
    hidden: "{n} not listed",
    answers: "Answers: {n}",
    sticker_poll: "Poll",
    sticker_quiz: "Quiz",
    sticker_question: "Question",
    sticker_promo_code: "Promo code copied",
  },
  de: {
    insights: "Zahlen",
    insightsHint: "Die letzten {n} Storys, die neueste rechts. Beendete Storys behalten ihre Zahlen, aber keine Namen.",
    reach: "Reichweite",
    views: "Aufrufe",
    completion: "Bis zum Ende gesehen",
    watched: "Angesehen",
    shares: "Geteilt",
    reachByStory: "Reichweite je Story",
    followersReach: "Follower",
    othersReach: "Andere",
    overTime: "Zuschauer im Lauf der Zeit",
    dropOff: "Zuschauer je Teil",
    part: "Teil {n}",
    hidden: "{n} nicht aufgeführt",
    answers: "Antworten: {n}",
    sticker_poll: "Umfrage",
    sticker_quiz: "Quiz",
    sticker_question: "Frage",
    sticker_promo_code: "Code kopiert",
  },
};

export const t = texts(ACTIVITY);
