/** Journeys of people among people: taking part in stories, and finding them. */
import assert from "node:assert/strict";
import { accessible, blocked, LONG, pair, ringOf, shown, unique, until } from "./checks.mjs";
import { call, item, post, token, URL_, visit, write } from "./stage.mjs";

const at = { x: 0.5, w: 0.7, h: 0.2 };
/** Stand still before the story is over. */
async function still(page) {
  await page.keyboard.press("k");
  await page.getByRole("button", { name: "Play" }).waitFor(LONG);
}

const share = (page, option) => page.locator(".choice button", { hasText: option }).locator(".votes");

async function answer(user, story, kind, option) {
  const seen = await item(user, story.author_id, story.id);
  const layer = seen.layers.find((each) => each.kind === kind);
  await call(user, "PUT", `/v1/stories/${story.id}/answers/${layer.id}`, option, { "Story-Ticket": seen.ticket });
}

export const social = (browser) => ({
  /** Answers to polls, quizzes and questions: tallies move while one looks, and the author reads every answer. */
  async answers() {
    const [ann, bob] = await pair();
    const poll = { ...at, kind: "poll", question: "Which way?", options: ["Left", "Right"], y: 0.3 };
    const quiz = { ...at, kind: "quiz", question: "How deep?", options: ["One", "Two"], correct: 1, y: 0.5 };
    const question = { ...at, kind: "question", prompt: "Where to next?", y: 0.7 };
    const story = await post(ann, "sea.jpg", { caption: "answer me", layers: [poll, quiz, question] });
    const his = await visit(browser, bob, { path: `/u/${ann}` });
    await shown(his, "answer me").waitFor(LONG);
    await still(his);
    assert.equal(await his.locator(".votes").count(), 0, "nothing is told before an answer");
    await his.getByRole("button", { name: "Left" }).click();
    await share(his, "Left").getByText("100 %").waitFor(LONG);
    const cat = `cat-${unique()}`;
    await answer(cat, story, "poll", { option: 1 });
    await share(his, "Left").getByText("50 %").waitFor(LONG);
    await his.getByRole("button", { name: "Right" }).click();
    await share(his, "Right").getByText("100 %").waitFor(LONG);
    await his.getByRole("button", { name: "One" }).click();
    await his.locator(".choice .wrong", { hasText: "One" }).waitFor(LONG);
    await his.locator(".choice .right", { hasText: "Two" }).waitFor(LONG);
    assert.ok(await his.getByRole("button", { name: "Two" }).isDisabled(), "a quiz is answered once");
    await his.getByRole("textbox", { name: "Where to next?" }).fill("north");
    await his.keyboard.press("Enter");
    await his.locator(".sent").waitFor(LONG);
    await accessible(his, "answers");

    const hers = await visit(browser, ann, { path: "/me" });
    await hers
      .locator(".own-card", { hasText: "answer me" })
      .getByRole("button", { name: /Viewers/ })
      .click(LONG);
    const sheet = hers.getByRole("dialog", { name: "Viewers" });
    await sheet.getByRole("region", { name: "Where to next?" }).getByText("north").waitFor(LONG);
    await sheet.getByRole("region", { name: "Which way?" }).getByText("Answers: 2").waitFor(LONG);
    await accessible(hers, "answers of one's own story");
    await sheet.getByRole("button", { name: "Close" }).click();
    await hers.goto(hers.url().replace(/#.*/, `#/u/${ann}`));
    await shown(hers, "answer me").waitFor(LONG);
    await still(hers);
    await share(hers, "Right").getByText("100 %").waitFor(LONG);
    assert.deepEqual([...blocked(his), ...blocked(hers)], []);
  },

  /** Follow with announcements, any emoji, a reply, a shared link, a report with its reason; mute and block, and undo. */
  async people() {
    const [ann, bob] = [`ann-${unique()}`, `bob-${unique()}`];
    const story = await post(ann, "sea.jpg", { caption: "come in" });
    const his = await visit(browser, bob, { path: `/u/${ann}` });
    if (!process.env.FIREFOX) await his.context().grantPermissions(["clipboard-read", "clipboard-write"]);
    const choose = async (name) => {
      await his.getByRole("button", { name: "More", exact: true }).click();
      await his.getByRole("button", { name }).click();
    };
    await shown(his, "come in").waitFor(LONG);
    await still(his);
    await his.locator(".follow").click();
    await his.getByText(`You follow ${ann}`).waitFor(LONG);
    await choose("Tell me about new stories");
    await until("announcements are on", async () => (await call(bob, "GET", "/v1/following")).items[0]?.notify);

    await his.getByRole("button", { name: "React" }).click();
    await his.locator(".quick").getByRole("button", { name: "More" }).click();
    const picker = his.getByRole("dialog", { name: "Reactions" });
    await picker.getByRole("button", { name: "🌊" }).waitFor(LONG);
    await his.waitForTimeout(400);
    await accessible(his, "every reaction");
    await picker.getByRole("button", { name: "🌊" }).click();
    await his.getByRole("button", { name: "You reacted with 🌊" }).waitFor(LONG);
    await until("the reaction counts", async () => {
      const { reactions } = await call(ann, "GET", `/v1/stories/${story.id}/insights`);
      return reactions["🌊"] === 1;
    });

    const seen = await item(ann, ann, story.id);
    const ticket = { "Story-Ticket": seen.ticket };
    await call(ann, "POST", `/v1/stories/${story.id}/comments`, { text: "who is there?" }, ticket);
    await his.getByRole("button", { name: /Add a comment/ }).click();
    const comments = his.getByRole("dialog", { name: "Comments" });
    await comments.getByRole("button", { name: "Reply" }).click(LONG);
    await comments.getByText(`Reply to ${ann}`).waitFor(LONG);
    await his.getByRole("textbox", { name: "Add a comment…" }).fill("it is me");
    await his.keyboard.press("Enter");
    await comments.locator(".comment .reply", { hasText: "it is me" }).waitFor(LONG);
    await accessible(his, "a reply");
    await comments.getByRole("button", { name: "Close" }).click();

    await choose("Copy link");
    await his.getByText(/Link copied|\/s\//).waitFor(LONG);
    if (!process.env.FIREFOX)
      assert.match(await his.evaluate(() => navigator.clipboard.readText()), new RegExp(`/s/${story.id}$`));

    await choose("Report");
    const report = his.getByRole("dialog", { name: "What is wrong with it?" });
    await report.getByRole("radio", { name: "Hate or harassment" }).check();
    await report.getByRole("textbox").fill("the third time");
    await his.waitForTimeout(400);
    await accessible(his, "a report");
    await report.getByRole("button", { name: "Send report" }).click();
    await his.getByText("We will look at it").waitFor(LONG);
    const admin = { Authorization: `Bearer ${await token("moderator", true)}` };
    const { items } = await (await fetch(`${URL_}/v1/admin/reports?state=open&limit=100`, { headers: admin })).json();
    const filed = items.find((each) => each.story_id === story.id);
    assert.deepEqual([filed?.reason, filed?.text], ["hate", "the third time"]);

    await choose(`Mute ${ann}`);
    await his.getByText(`You will not see stories of ${ann} any more`).waitFor(LONG);
    await ringOf(his, ann).waitFor({ state: "detached", ...LONG });
    await his.goto(his.url().replace(/#.*/, "#/me"));
    await his.getByText("Muted or blocked (1)").click(LONG);
    await his.getByRole("button", { name: "Show again" }).click();
    await his.getByRole("link", { name: "Home" }).click();
    await ringOf(his, ann).click(LONG);
    await shown(his, "come in").waitFor(LONG);
    await still(his);
    await choose(`Block ${ann}`);
    await his.getByText(`${ann} is blocked`).waitFor(LONG);
    await until("nothing of her is left", async () => !(await item(bob, ann, story.id)));
    await his.goto(his.url().replace(/#.*/, "#/me"));
    await his.getByText("Muted or blocked (1)").click(LONG);
    await accessible(his, "people one blocked");
    await his.getByRole("button", { name: "Unblock" }).click();
    await until("she is back", async () => Boolean(await item(bob, ann, story.id)));
    assert.deepEqual(blocked(his), []);
  },

  /** For You with its label, on and on as one scrolls; the page of a hashtag; stories that mention one. */
  async discover() {
    const [ann, bob] = [`ann-${unique()}`, `bob-${unique()}`];
    const tag = `t${unique()}`;
    const mention = { ...at, kind: "mention", user_id: bob, y: 0.3, h: 0.06 };
    const hashtag = { ...at, kind: "hashtag", tag, y: 0.6, h: 0.06 };
    await post(ann, "sea.jpg", { caption: "you are in it", layers: [mention, hashtag] });
    await write(`cat-${unique()}`, { caption: `another #${tag}` });
    const authors = [1, 2, 3, 4, 5, 6, 7].map(() => `dan-${unique()}`);
    for (let number = 0; number < 3; number++)
      await Promise.all(authors.map((each) => write(each, { caption: `number ${number}` })));
    const his = await visit(browser, bob, { width: 360, height: 800 });
    const cards = his.locator(".grid .story-card:not(.skeleton)");
    await cards.nth(5).waitFor(LONG);
    assert.match(await cards.first().textContent(), /^Story/, "cards carry the label");
    const before = await cards.count();
    await until("more come as one scrolls", async () => {
      await his.mouse.wheel(0, 4000);
      await his.evaluate(() => scrollTo(0, document.body.scrollHeight));
      return (await cards.count()) > Math.max(20, before);
    });
    const hrefs = await cards.evaluateAll((all) => all.map((each) => each.getAttribute("href")));
    assert.equal(new Set(hrefs).size, hrefs.length, "none twice");

    await his.goto(his.url().replace(/#.*/, "#/me"));
    await his.getByRole("heading", { name: "Mentions of you" }).waitFor(LONG);
    await his.locator(".story-card", { hasText: "you are in it" }).click();
    await shown(his, "you are in it").waitFor(LONG);
    await still(his);
    await his.locator(".layer.hashtag button").click();
    await his.getByRole("heading", { name: `#${tag}` }).waitFor(LONG);
    await his.locator(".story-card", { hasText: "another" }).waitFor(LONG);
    assert.equal(await cards.count(), 2);
    await his.locator(".story-card", { hasText: "another" }).click();
    await shown(his, "another").waitFor(LONG);
    await accessible(his, "a story of a hashtag");
    await his.getByRole("button", { name: "Close" }).click();
    await his.getByRole("heading", { name: `#${tag}` }).waitFor(LONG); // and not somewhere else

    const nobody = await visit(browser, `eve-${unique()}`, { path: `/tag/${unique()}` });
    await nobody.getByRole("heading", { name: "No stories yet" }).waitFor(LONG);
  },
});
