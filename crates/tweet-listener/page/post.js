// One post as a card.

import { hue, short } from './numbers.js';
import { fillProse, initials } from './prose.js';
import { fillTime, relative } from './times.js';

const LANGUAGE = /^[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8})*$/;

/** A tweet stands once per conference. */
export const keyOf = ({ conference, tweetId }) => `${conference}/${tweetId}`;

/** What the page needs of a tweetEvent, or null when it has no identity. */
export function readTweet(data) {
  const tweetId = data?.tweetId;
  const conference = data?.tagFilter;
  if (typeof tweetId !== 'string' || typeof conference !== 'string' || tweetId === '') return null;
  const text = (value) => (typeof value === 'string' ? value : '');
  return {
    tweetId,
    conference,
    key: keyOf({ conference, tweetId }),
    text: text(data.text),
    author: text(data.author) || 'unknown',
    hashtag: text(data.hashtag).replace(/^#/, ''),
    createdAt: text(data.createdAt),
    language: text(data.language),
    isARetweet: data.isARetweet === true,
  };
}

export class Post {
  #template = document.getElementById('post-template').content.firstElementChild;
  #button;
  #count;
  #time;
  #at;

  constructor(tweet, { liked, count }) {
    this.tweet = tweet;
    this.node = document.importNode(this.#template, true);
    const part = (name) => this.node.querySelector(name);
    this.#button = part('.like');
    this.#count = part('.count');
    this.#time = part('time');

    this.node.dataset.tweetId = tweet.tweetId;
    this.node.dataset.conference = tweet.conference;
    this.node.setAttribute('aria-label', `${tweet.author} in ${tweet.conference}`);
    this.node.style.setProperty('--hue', hue(tweet.author));
    part('.avatar').textContent = initials(tweet.author);
    part('.author').textContent = tweet.author;
    part('.retweet').hidden = !tweet.isARetweet;
    this.#at = fillTime(this.#time, tweet.createdAt);

    const text = part('.text');
    fillProse(text, tweet.text);
    if (LANGUAGE.test(tweet.language)) text.lang = tweet.language;

    const conference = part('.conference');
    conference.href = `?${new URLSearchParams({ conference: tweet.conference })}`;
    conference.dataset.show = tweet.conference;
    conference.title = `Show ${tweet.conference} only`;
    conference.style.setProperty('--hue', hue(tweet.conference));
    part('.conference-name').textContent = tweet.conference;
    const hashtag = part('.hashtag');
    hashtag.textContent = tweet.hashtag ? `#${tweet.hashtag}` : '';

    this.showLike({ liked, count });
  }

  showLike({ liked, count }) {
    const shown = short(count);
    if (this.#count.textContent !== shown) this.#count.textContent = shown;
    if (this.#button.getAttribute('aria-pressed') !== String(liked)) this.#button.setAttribute('aria-pressed', liked);
  }

  refreshTime(now) {
    if (!Number.isNaN(this.#at)) this.#time.textContent = relative(this.#at, now);
  }

  get likeButton() {
    return this.#button;
  }
}
