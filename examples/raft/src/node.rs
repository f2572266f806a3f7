//! A node: Raft as in figure 2 of "In Search of an Understandable Consensus Algorithm" (Ongaro and
//! Ousterhout, 2014), without snapshots and changes of membership.

use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use reveille::channel::{Receiver, Sender, bounded};
use reveille::net::{TcpListener, TcpStream};
use reveille::{future, task};

use crate::check;
use crate::message::{Answer, Connection, Entry, Request};
use crate::storage::Storage;
use crate::{Bug, PORT, host_name};

const HEARTBEAT: Duration = Duration::from_millis(50);
/// The shortest election timeout. Half of it is added at most.
const ELECTION_MS: u64 = 200;
/// How long a call to a peer may take.
const CALL: Duration = Duration::from_millis(150);
/// How long a proposal waits for its commit.
const COMMIT: Duration = Duration::from_secs(2);
/// Entries in one append.
const BATCH: usize = 64;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Role {
    Follower,
    Candidate,
    Leader,
}

/// What a node knows of another while it leads or wants to.
#[derive(Clone, Copy, Default)]
struct Peer {
    next: u64,
    matches: u64,
    is_asked: bool,
    has_voted: bool,
}

struct State {
    storage: Storage,
    role: Role,
    leader: Option<usize>,
    commit: u64,
    applied: u64,
    peers: Vec<Peer>,
    election_at: Instant,
}

/// See the header of the module. Nodes are counted from 1.
pub struct Node {
    number: usize,
    count: usize,
    bug: Option<Bug>,
    state: Mutex<State>,
    /// One for the task of each other node.
    wakes: Vec<(Sender<()>, Receiver<()>)>,
}

fn election_time() -> Instant {
    let ms = ELECTION_MS + fastrand::u64(..ELECTION_MS / 2);
    now() + Duration::from_millis(ms)
}

#[allow(clippy::disallowed_methods, reason = "a program reads the clock")]
fn now() -> Instant {
    Instant::now()
}

/// Runs a node forever.
pub async fn run(number: usize, count: usize, folder: PathBuf, bug: Option<Bug>) -> io::Result<()> {
    let storage = Storage::open(&folder, bug)?;
    let state = State {
        storage,
        role: Role::Follower,
        leader: None,
        commit: 0,
        applied: 0,
        peers: vec![Peer::default(); count + 1],
        election_at: election_time(),
    };
    let wakes = (0..=count).map(|_| bounded(1)).collect();
    let node = Arc::new(Node { number, count, bug, state: Mutex::new(state), wakes });
    let listener = TcpListener::bind(("0.0.0.0", PORT)).await?;
    for peer in (1..=count).filter(|&peer| peer != number) {
        task::spawn(Arc::clone(&node).talk_to(peer));
    }
    task::spawn(Arc::clone(&node).elect());
    loop {
        // A connection that was reset before it was accepted is no reason to end.
        if let Ok((stream, _)) = listener.accept().await {
            task::spawn(Arc::clone(&node).serve(Connection::new(stream)));
        }
    }
}

impl Node {
    fn with<R>(&self, access: impl FnOnce(&mut State) -> io::Result<R>) -> R {
        let mut state = self.state.lock().expect("no panic");
        // A node that cannot write its log must stop.
        access(&mut state).unwrap_or_else(|error| panic!("the disk of n{}: {error}", self.number))
    }

    fn wake_all(&self) {
        self.wakes.iter().for_each(|(sender, _)| {
            let _ = sender.try_send(());
        });
    }

    fn is_majority(&self, count: usize) -> bool {
        count > self.count / 2
    }

    /// Starts an election when no leader is heard.
    async fn elect(self: Arc<Self>) {
        loop {
            let at = self.with(|state| Ok(state.election_at));
            task::sleep_until(at).await;
            let has_begun = self.with(|state| {
                if state.role == Role::Leader || now() < state.election_at {
                    if state.role == Role::Leader {
                        state.election_at = election_time();
                    }
                    return Ok(false);
                }
                let term = state.storage.term + 1;
                state.storage.set_state(term, Some(self.number))?;
                (state.role, state.leader) = (Role::Candidate, None);
                state.election_at = election_time();
                state.peers.fill(Peer::default());
                Ok(true)
            });
            if has_begun {
                self.wake_all();
            }
        }
    }

    /// Follows a newer term. Called before anything else is done with a message.
    fn follow(&self, state: &mut State, term: u64) -> io::Result<()> {
        if term > state.storage.term {
            state.storage.set_state(term, None)?;
            (state.role, state.leader) = (Role::Follower, None);
        }
        Ok(())
    }

    /// What has to be sent to a peer now.
    fn next_request(&self, peer: usize) -> Option<Request> {
        self.with(|state| {
            let term = state.storage.term;
            Ok(match state.role {
                Role::Candidate if !state.peers[peer].is_asked => {
                    state.peers[peer].is_asked = true;
                    let (last_index, last_term) = state.storage.last();
                    Some(Request::Vote { term, candidate: self.number, last_index, last_term })
                }
                Role::Leader => {
                    let index = state.peers[peer].next - 1;
                    let previous = (index, state.storage.term_at(index).unwrap_or(0));
                    let entries = state.storage.after(index, BATCH);
                    let (leader, commit) = (self.number, state.commit);
                    Some(Request::Append { term, leader, previous, commit, entries })
                }
                Role::Follower | Role::Candidate => None,
            })
        })
    }

    /// Sends requests to a peer, one after the other.
    async fn talk_to(self: Arc<Self>, peer: usize) {
        let mut connection: Option<Connection> = None;
        loop {
            let Some(request) = self.next_request(peer) else {
                let _ = self.wakes[peer].1.recv().await;
                continue;
            };
            let call = async {
                let used = match &mut connection {
                    Some(used) => used,
                    none => {
                        let stream = TcpStream::connect((host_name(peer), PORT)).await?;
                        stream.set_nodelay(true)?;
                        none.insert(Connection::new(stream))
                    }
                };
                used.call(&request).await
            };
            match future::timeout(CALL, call).await {
                Ok(Ok(answer)) => {
                    if self.handle_answer(peer, &request, answer) {
                        continue;
                    }
                }
                // The answer would be taken for that of the next request.
                Ok(Err(_)) | Err(_) => {
                    connection = None;
                    self.with(|state| {
                        state.peers[peer].is_asked &= state.peers[peer].has_voted;
                        Ok(())
                    });
                }
            }
            let _ = future::timeout(HEARTBEAT, self.wakes[peer].1.recv()).await;
        }
    }

    /// Returns whether the peer needs more at once.
    fn handle_answer(&self, peer: usize, request: &Request, answer: Answer) -> bool {
        let (more, has_won) = self.with(|state| {
            let (Answer::Vote { term, .. } | Answer::Append { term, .. }) = answer else {
                return Ok((false, false));
            };
            self.follow(state, term)?;
            let asked = match request {
                Request::Vote { term, .. } | Request::Append { term, .. } => *term,
                Request::Propose { .. } => 0,
            };
            if asked != state.storage.term {
                return Ok((false, false));
            }
            match (state.role, answer) {
                (Role::Candidate, Answer::Vote { is_granted, .. }) => {
                    state.peers[peer].has_voted |= is_granted;
                    Ok((false, self.count_votes(state)))
                }
                (Role::Leader, Answer::Append { is_success, matches, .. }) => {
                    let it = &mut state.peers[peer];
                    if is_success {
                        it.matches = it.matches.max(matches);
                        it.next = it.matches + 1;
                    } else {
                        it.next = it.next.min(matches + 1).max(it.matches + 1);
                    }
                    let behind = !is_success || it.next <= state.storage.len();
                    self.advance_commit(state);
                    Ok((behind, false))
                }
                _ => Ok((false, false)),
            }
        });
        if has_won {
            self.wake_all();
        }
        more
    }

    fn count_votes(&self, state: &mut State) -> bool {
        let votes = 1 + state.peers.iter().filter(|peer| peer.has_voted).count();
        if !self.is_majority(votes) {
            return false;
        }
        (state.role, state.leader) = (Role::Leader, Some(self.number));
        let next = state.storage.len() + 1;
        state.peers.fill(Peer { next, ..Peer::default() });
        check::leads(self.number, state.storage.term);
        true
    }

    fn advance_commit(&self, state: &mut State) {
        for index in (state.commit + 1..=state.storage.len()).rev() {
            let count = 1 + state.peers.iter().filter(|peer| peer.matches >= index).count();
            let is_own = state.storage.term_at(index) == Some(state.storage.term);
            if self.is_majority(count) && (is_own || self.bug == Some(Bug::StaleCommit)) {
                state.commit = index;
                break;
            }
        }
        self.apply(state);
    }

    fn apply(&self, state: &mut State) {
        while state.applied < state.commit {
            let Some(entry) = state.storage.entry(state.applied + 1) else { break };
            state.applied += 1;
            check::applied(self.number, state.applied, entry);
        }
    }

    /// Answers the requests of a connection.
    async fn serve(self: Arc<Self>, mut connection: Connection) -> io::Result<()> {
        while let Some(request) = connection.request().await? {
            let answer = match request {
                Request::Vote { .. } => self.with(|state| self.vote(state, &request)),
                Request::Append { .. } => self.with(|state| self.append(state, &request)),
                Request::Propose { value } => self.propose(value).await,
            };
            connection.answer(answer).await?;
        }
        Ok(())
    }

    fn vote(&self, state: &mut State, request: &Request) -> io::Result<Answer> {
        let Request::Vote { term, candidate, last_index, last_term } = *request else {
            unreachable!("the caller has checked")
        };
        self.follow(state, term)?;
        let (own_index, own_term) = state.storage.last();
        let is_up_to_date = (last_term, last_index) >= (own_term, own_index);
        let is_free = state.storage.vote.is_none_or(|vote| vote == candidate)
            || self.bug == Some(Bug::DoubleVote);
        let is_granted = term == state.storage.term
            && is_up_to_date
            && is_free
            && (state.role == Role::Follower || self.bug == Some(Bug::DoubleVote));
        if is_granted {
            state.storage.set_state(term, Some(candidate))?;
            state.election_at = election_time();
        }
        Ok(Answer::Vote { term: state.storage.term, is_granted })
    }

    fn append(&self, state: &mut State, request: &Request) -> io::Result<Answer> {
        let Request::Append { term, leader, previous, commit, entries } = request else {
            unreachable!("the caller has checked")
        };
        self.follow(state, *term)?;
        let own = state.storage.term;
        if *term < own && self.bug != Some(Bug::NoTermCheck) {
            return Ok(Answer::Append { term: own, is_success: false, matches: 0 });
        }
        (state.role, state.leader) = (Role::Follower, Some(*leader));
        state.election_at = election_time();
        let (index, of) = *previous;
        if state.storage.term_at(index) != Some(of) {
            let matches = state.storage.len().min(index.saturating_sub(1));
            return Ok(Answer::Append { term: own, is_success: false, matches });
        }
        if self.bug == Some(Bug::LostLogSuffix) {
            self.remove_after(state, index)?;
        }
        let known = entries.iter().zip(index + 1..);
        let same = known.take_while(|(it, at)| state.storage.entry(*at) == Some(**it)).count();
        if same < entries.len() {
            // What follows is not the leader's.
            self.remove_after(state, index + same as u64)?;
            state.storage.append(&entries[same..])?;
        }
        let matches = index + entries.len() as u64;
        state.commit = state.commit.max((*commit).min(matches));
        self.apply(state);
        // With the bug, a leader of an old term takes the answer for one of its own.
        Ok(Answer::Append { term: *term, is_success: true, matches })
    }

    /// Removes the entries after an index.
    fn remove_after(&self, state: &mut State, index: u64) -> io::Result<()> {
        for (entry, at) in state.storage.after(index, usize::MAX).into_iter().zip(index + 1..) {
            check::removed(self.number, at, entry);
        }
        state.storage.truncate(index)
    }

    async fn propose(&self, value: u64) -> Answer {
        let begun = self.with(|state| {
            if state.role != Role::Leader {
                return Ok(Err(state.leader));
            }
            let term = state.storage.term;
            state.storage.append(&[Entry { term, value }])?;
            self.advance_commit(state);
            Ok(Ok((state.storage.len(), term)))
        });
        let (index, term) = match begun {
            Ok(place) => place,
            Err(leader) => return Answer::NotLeader { leader },
        };
        self.wake_all();
        if self.bug == Some(Bug::AckBeforeQuorum) {
            return Answer::Done;
        }
        let deadline = now() + COMMIT;
        loop {
            let outcome = self.with(|state| {
                let is_there = state.storage.term_at(index) == Some(term);
                Ok((is_there, state.commit >= index, state.leader))
            });
            match outcome {
                (true, true, _) => return Answer::Done,
                (false, _, leader) => return Answer::NotLeader { leader },
                (true, false, _) if now() >= deadline => return Answer::NotLeader { leader: None },
                (true, false, _) => task::sleep(Duration::from_millis(5)).await,
            }
        }
    }
}
