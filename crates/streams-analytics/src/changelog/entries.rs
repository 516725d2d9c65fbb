//! Entries of the state as they are written down, and put back.

use std::{ops::Range, sync::Arc};

use contracts::{ConferenceState, CountList, Entries, Post as PostState, TweetState, WindowState};
use prost::{
    bytes::{Buf, BufMut},
    encoding::{decode_varint, encode_varint},
    length_delimiter_len,
};

use super::Unrestorable;
use crate::{
    key::Key,
    store::{Conference, Counts, FactKey, Like, Minute, Post, Ranked, Store, Tweet},
};

/// Counts of each kind that stand together, so that a large conference comes in several parts: up to 200 KB.
const PART: usize = 10_000;
/// Bytes of hashtags that stand together. A record that was almost full takes one more part, and stays below 1 MB.
const PART_BYTES: usize = 64 * 1024;

/// Entries on their way into a record, with about as many bytes as they will take.
#[derive(Default)]
pub(super) struct Written {
    pub(super) entries: Entries,
    other_bytes: usize,
    /// Of the like before.
    since: i64,
}

impl Written {
    pub(super) fn bytes(&self) -> usize {
        self.other_bytes + self.entries.likes.len() + self.entries.authors.len()
    }

    pub(super) fn conference(&mut self, part: ConferenceState) {
        self.other_bytes += framed(&part);
        self.entries.conferences.push(part);
    }

    pub(super) fn window(&mut self, part: WindowState) {
        self.other_bytes += framed(&part);
        self.entries.windows.push(part);
    }

    pub(super) fn tweet(&mut self, index: u32, tweet: &Tweet) {
        let post = tweet.post.as_ref();
        let state = TweetState {
            index,
            conference: tweet.conference,
            tweet_id: tweet.id.to_string(),
            post: post.map(|post| PostState { text: post.text.to_string(), author: post.author.to_string() }),
            first_like: tweet.first_like,
        };
        self.other_bytes += framed(&state);
        self.entries.tweets.push(state);
    }

    pub(super) fn author(&mut self, author: Key) {
        self.entries.authors.extend_from_slice(&author.to_bytes());
    }

    pub(super) fn like(&mut self, key: FactKey, like: Like) {
        let likes = &mut self.entries.likes;
        encode_varint(u64::from(key.tweet) << 1, likes);
        likes.put_slice(&key.visitor_bytes());
        encode_varint(zigzag(like.since.wrapping_sub(self.since)), likes);
        encode_varint(u64::try_from(like.accepted.saturating_sub(like.since)).unwrap_or(0), likes);
        self.since = like.since;
    }

    pub(super) fn removed_like(&mut self, key: FactKey) {
        let likes = &mut self.entries.likes;
        encode_varint((u64::from(key.tweet) << 1) | 1, likes);
        likes.put_slice(&key.visitor_bytes());
    }
}

/// A conference in parts: what is new or changed in it, or all.
pub(super) fn conference_parts(
    index: u32,
    conference: &Conference,
    new: bool,
) -> impl Iterator<Item = ConferenceState> {
    let (liked, tagged) = (counted(&conference.liked, new), counted(&conference.tagged, new));
    let (first_tag, tags) = conference.tags(new);
    let totals = &conference.totals;
    let (tweets_time, likes_time) = (totals.tweets_time, totals.likes_time);
    let minutes: Vec<Minute> = if new {
        totals.minutes.changed(&conference.committed().minutes, tweets_time, likes_time).collect()
    } else {
        totals.minutes.shown(tweets_time, likes_time).collect()
    };
    let tag_parts = tag_parts(tags);
    let parts = parts_of(&[liked.len(), tagged.len()]).max(tag_parts.len());
    let tags: Vec<String> = tags.iter().map(ToString::to_string).collect();
    let base = ConferenceState {
        index,
        conference: conference.name.to_string(),
        tweet_count: totals.tweets,
        author_count: totals.authors,
        like_count: totals.likes,
        tweets_stream_time: tweets_time,
        likes_stream_time: likes_time,
        late: totals.late.clone(),
        after_close: totals.after_close.clone(),
        closed: totals.closed,
        ..ConferenceState::default()
    };
    (0..parts).map(move |part| {
        let minutes = if part == 0 { &minutes[..] } else { &[] };
        let tag_part = tag_parts.get(part).cloned().unwrap_or(tags.len()..tags.len());
        ConferenceState {
            minute_starts: minutes.iter().map(|minute| minute.start).collect(),
            minute_tweets: minutes.iter().map(|minute| minute.tweets).collect(),
            minute_likes: minutes.iter().map(|minute| minute.likes).collect(),
            first_hashtag: u32::try_from(first_tag + tag_part.start).unwrap_or(u32::MAX),
            hashtags: tags[tag_part].to_vec(),
            liked: Some(count_list(slice_of(&liked, part))),
            tagged: Some(count_list(slice_of(&tagged, part))),
            ..base.clone()
        }
    })
}

/// Which hashtags stand together.
fn tag_parts(tags: &[Box<str>]) -> Vec<Range<usize>> {
    let mut parts: Vec<Range<usize>> = Vec::new();
    let mut bytes = 0;
    for (at, tag) in tags.iter().enumerate() {
        bytes += tag.len();
        match parts.last_mut() {
            Some(part) if bytes <= PART_BYTES => part.end = at + 1,
            _ => {
                parts.push(at..at + 1);
                bytes = tag.len();
            }
        }
    }
    parts
}

/// The windows of a conference in parts: what is new or changed in them, or all.
pub(super) fn window_parts(index: u32, conference: &Conference, new: bool) -> impl Iterator<Item = WindowState> {
    let windows = conference
        .series
        .iter()
        .enumerate()
        .flat_map(|(size, series)| series.windows().iter().map(move |window| (size, window)));
    windows.filter(move |(_, window)| !new || window.is_touched()).flat_map(move |(size, window)| {
        let (liked, tagged) = (window.liked(new), window.tagged(new));
        let (start, likes, tweets) = (window.start, window.likes, window.tweets);
        (0..parts_of(&[liked.len(), tagged.len()])).map(move |part| WindowState {
            conference: index,
            size: u32::try_from(size).unwrap_or(u32::MAX),
            start,
            likes,
            tweets,
            liked: Some(count_list(slice_of(&liked, part))),
            tagged: Some(count_list(slice_of(&tagged, part))),
        })
    })
}

fn counted(counts: &Counts, changed: bool) -> Vec<Ranked> {
    if changed { counts.touched().map(|(index, _, now)| (index, now)).collect() } else { counts.all().collect() }
}

/// What a message takes among others of its kind.
fn framed(message: &impl prost::Message) -> usize {
    let bytes = message.encoded_len();
    1 + length_delimiter_len(bytes) + bytes
}

fn parts_of(lengths: &[usize]) -> usize {
    lengths.iter().map(|length| length.div_ceil(PART)).max().unwrap_or(0).max(1)
}

fn slice_of<T>(all: &[T], part: usize) -> &[T] {
    let (from, to) = (part * PART, (part + 1) * PART);
    &all[from.min(all.len())..to.min(all.len())]
}

fn count_list(counts: &[Ranked]) -> CountList {
    let (indexes, counts) = counts.iter().copied().unzip();
    CountList { indexes, counts }
}

fn zigzag(value: i64) -> u64 {
    ((value << 1) ^ (value >> 63)).cast_unsigned()
}

fn unzigzag(value: u64) -> i64 {
    (value >> 1).cast_signed() ^ -(value & 1).cast_signed()
}

/// Takes what a pack says into the store.
pub(super) fn load_pack(store: &mut Store, entries: Entries) -> Result<(), Unrestorable> {
    let likes = load_others(store, entries)?;
    each_like(&likes, |key, now| match now {
        Some(like) => store.load_like(key, like),
        None => store.unload_like(key),
    })
}

/// Gives shards what a slice says, in place of what they hold or beside it.
pub(super) fn load_slice(
    store: &mut Store,
    shards: Range<usize>,
    replace: bool,
    entries: Entries,
) -> Result<(), Unrestorable> {
    if replace {
        shards.clone().for_each(|shard| store.clear_shard(shard));
    }
    let likes = load_others(store, entries)?;
    // They stand in the order of their places, so that putting them there all at once costs little.
    let mut standing = Vec::new();
    each_like(&likes, |key, now| standing.extend(now.map(|like| (key, like))))?;
    store.fill_likes(shards, replace, standing.into_iter());
    Ok(())
}

/// Puts everything but likes into the store; returns those.
fn load_others(store: &mut Store, entries: Entries) -> Result<Vec<u8>, Unrestorable> {
    for state in entries.conferences {
        load_conference(store, state).ok_or(Unrestorable::Torn)?;
    }
    for tweet in entries.tweets {
        let post = tweet.post.map(|post| Arc::new(Post { text: post.text.into(), author: post.author.into() }));
        store
            .load_tweet(tweet.index, tweet.conference, &tweet.tweet_id, post, tweet.first_like)
            .ok_or(Unrestorable::Torn)?;
    }
    for window in entries.windows {
        load_window(store, &window).ok_or(Unrestorable::Torn)?;
    }
    for key in keys(&entries.authors)? {
        store.load_author(key);
    }
    Ok(entries.likes)
}

fn load_conference(store: &mut Store, state: ConferenceState) -> Option<()> {
    let conference = store.load_conference(state.index)?;
    conference.name = state.conference.into();
    let totals = &mut conference.totals;
    // Of other windows: the commit's Meta will say so.
    let sizes = totals.late.len();
    let (mut late, mut after_close) = (state.late, state.after_close);
    late.resize(sizes, 0);
    after_close.resize(sizes, 0);
    (totals.tweets, totals.authors, totals.likes) = (state.tweet_count, state.author_count, state.like_count);
    (totals.tweets_time, totals.likes_time) = (state.tweets_stream_time, state.likes_stream_time);
    (totals.late, totals.after_close, totals.closed) = (late, after_close, state.closed);
    let minutes = state.minute_starts.into_iter().zip(state.minute_tweets).zip(state.minute_likes);
    minutes.for_each(|((start, tweets), likes)| totals.minutes.load(Minute { start, tweets, likes }));
    conference.load_tags(state.first_hashtag as usize, state.hashtags);
    load_counts(&mut conference.liked, state.liked.as_ref());
    load_counts(&mut conference.tagged, state.tagged.as_ref());
    Some(())
}

fn load_window(store: &mut Store, state: &WindowState) -> Option<()> {
    let conference = store.load_conference(state.conference)?;
    let Some(series) = conference.series.get_mut(state.size as usize) else { return Some(()) };
    let (liked, tagged) = series.load(state.start, state.likes, state.tweets);
    load_counts(liked, state.liked.as_ref());
    load_counts(tagged, state.tagged.as_ref());
    Some(())
}

fn load_counts(counts: &mut Counts, list: Option<&CountList>) {
    let list = list.into_iter().flat_map(|list| list.indexes.iter().zip(&list.counts));
    list.for_each(|(index, count)| counts.load(*index, *count));
}

/// Reads likes that came or went, in their order.
fn each_like(mut likes: &[u8], mut take: impl FnMut(FactKey, Option<Like>)) -> Result<(), Unrestorable> {
    let mut since = 0_i64;
    while likes.has_remaining() {
        let tweet = varint(&mut likes)?;
        let (visitor, rest) = likes.split_first_chunk().ok_or(Unrestorable::Torn)?;
        likes = rest;
        let key = FactKey::from_bytes(u32::try_from(tweet >> 1).map_err(|_| Unrestorable::Torn)?, *visitor);
        if tweet & 1 == 1 {
            take(key, None);
            continue;
        }
        since = since.wrapping_add(unzigzag(varint(&mut likes)?));
        let later = i64::try_from(varint(&mut likes)?).map_err(|_| Unrestorable::Torn)?;
        take(key, Some(Like { since, accepted: since.saturating_add(later) }));
    }
    Ok(())
}

fn varint(from: &mut &[u8]) -> Result<u64, Unrestorable> {
    decode_varint(from).map_err(|_| Unrestorable::Torn)
}

/// Reads keys that stand one after the other.
fn keys(bytes: &[u8]) -> Result<impl Iterator<Item = Key>, Unrestorable> {
    let (keys, rest) = bytes.as_chunks::<{ Key::BYTES }>();
    if !rest.is_empty() {
        return Err(Unrestorable::Torn);
    }
    Ok(keys.iter().map(|key| Key::from_bytes(*key)))
}
