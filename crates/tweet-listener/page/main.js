// The wall: what arrives on the stream goes to the part that shows it; what people press goes to the part that does it.

import { Badge } from './badge.js';
import { foldBoards } from './boards.js';
import { Feed } from './feed.js';
import { Filter } from './filter.js';
import { Hashtags } from './hashtags.js';
import { Keyboard } from './keyboard.js';
import { Likes } from './likes.js';
import { Notices } from './notice.js';
import { grouped } from './numbers.js';
import { Pulse } from './pulse.js';
import { Recent } from './recent.js';
import { Place } from './scroll.js';
import { fetchSnapshot } from './snapshot.js';
import { Stream } from './stream.js';
import { ownThemeButton } from './theme.js';
import { Top } from './top.js';
import { Totals } from './totals.js';
import { Windows } from './windows.js';

const by = (id) => document.getElementById(id);
const list = by('feed');

const badge = new Badge(by('state'));
const notices = new Notices(by('notices'));
const totals = new Totals({ section: by('totals'), suggestions: by('known-conferences') });
const pulse = new Pulse(by('pulse'));
const top = new Top(by('top'));
const windows = new Windows(by('windows'));
const hashtags = new Hashtags(by('hashtags'));
const tables = [totals, pulse, top, windows, hashtags];
const recent = new Recent(by('recent'));
const likes = new Likes({
  onChange: (key) => feed.likeChanged(key),
  onRefused: (message) => notices.show(message, { problem: true }),
});
const place = new Place({ stage: by('posts'), list, header: document.querySelector('.masthead') });
const feed = new Feed({ list, place, likes, onChange: showFeedState });
const filter = new Filter({ form: by('filter'), onChange: changeView });

const stream = new Stream({
  load: showSnapshot,
  address: streamAddress,
  onState: (state, malformed) => badge.show(state, malformed),
  onReset: showReset,
  handlers: {
    tweetEvent: (data) => feed.add(data),
    tweetAnalytics: showAnalytics,
    tweetLikesAnalytics: (data) => top.set(data),
    tweetWindow: (data) => windows.set(data),
    tweetLikes: (data) => Array.isArray(data.counts) && data.counts.forEach((entry) => likes.counted(entry)),
    tweetLiked: (data) => recent.add(data),
  },
});

async function showSnapshot(signal) {
  const snapshot = await fetchSnapshot(filter.conferences, signal);
  snapshot.counts.forEach((entry) => likes.counted(entry));
  feed.rebuild(snapshot.tweets);
  return snapshot.lastEventId;
}

function streamAddress(lastEventId) {
  const query = new URLSearchParams({ ping: 'true' });
  if (filter.conferences.length > 0) query.set('conference', filter.conferences.join(','));
  if (lastEventId) query.set('lastEventId', lastEventId);
  return `updates?${query}`;
}

function showAnalytics(data) {
  totals.set(data);
  pulse.set(data);
  windows.setTime(data);
  hashtags.set(data);
}

function showReset() {
  notices.show('The connection lost its place. The posts are being fetched anew.');
  // The new stream brings every table; until then the old figures stay in sight.
  for (const table of tables) table.forget({ show: false });
}

function changeView() {
  feed.clear();
  for (const table of [...tables, recent]) table.forget();
  scrollTo({ top: 0, behavior: 'instant' });
  showSubject();
  stream.start();
}

function showSubject() {
  const names = filter.conferences;
  by('subject').textContent = names.length > 0 ? names.join(', ') : 'All conferences';
  by('nothing-hint').textContent = names.length > 0
    ? `The first post about ${names.join(', ')} will appear by itself.`
    : 'The first post will appear by itself.';
  showTitle(0);
}

function showTitle(unread) {
  const subject = filter.conferences.length > 0 ? `${filter.conferences.join(', ')} · Livewall` : 'Livewall';
  document.title = unread > 0 ? `(${grouped(unread)}) ${subject}` : subject;
}

function showFeedState({ rows, unread }) {
  by('nothing').hidden = rows > 0 || list.getAttribute('aria-busy') === 'true';
  by('end').hidden = rows < 50;
  const pill = by('new-posts');
  pill.hidden = unread === 0;
  pill.querySelector('.pill-text').textContent = `${grouped(unread)} new ${unread === 1 ? 'post' : 'posts'}`;
  showTitle(unread);
}

function like(article) {
  const post = feed.post(article);
  if (!post) return;
  likes.toggle(post.tweet);
  post.showLike(likes.of(post.tweet.key)); // at once, even while a flood of posts has the drawing wait
}

list.addEventListener('click', (event) => {
  const button = event.target.closest('.like');
  if (button) like(button.closest('article'));
});
by('new-posts').addEventListener('click', () => feed.toNewest());
by('help-open').addEventListener('click', () => by('help').showModal());
new Keyboard({ list, help: by('help'), actions: { like, newest: () => feed.toNewest(), filter: () => filter.focus() } });

ownThemeButton(by('theme'));
foldBoards(document);
showSubject();
stream.start();
