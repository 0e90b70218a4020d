/* raft.pml — a Spin model of what Fenlu's Raft does differently from the textbook: the one ordered
 * write stream behind which messages wait, logs that damage, nodes that lose their disk.
 *
 * Three nodes, TERMS terms, logs of LENGTH entries. An entry is the term of the leader that made it;
 * the log of each term's leader is remembered for ever, so an append is any prefix of it, however
 * late. What a node has in memory and what is durable are kept apart: `persist` moves one element of
 * the difference to the disk, hard state before entries, and only then do its promises leave
 * (`granted`, `acked`; a promise that has left may arrive at any time, or never). A crash forgets
 * what is not durable; FAULTS times it also damages an entry that was durable, takes the tail with
 * its identifiers, or the whole disk.
 *
 * Checked   one leader a term; a leader has every entry that was committed in an earlier term; what
 *           is committed never changes.
 * Switches  each takes one rule away and must be caught: VOTE_EARLY, ACK_EARLY (promises leave before
 *           they are durable), CUT_DAMAGED (a damaged entry is taken for a torn tail), VOTE_LOST (a
 *           node whose tail is gone votes as if it had never been), SAME_IDENTITY (a wiped disk comes
 *           back as the same member).
 *           That a damaged entry does not count as held (HELD) is not needed for safety, as the
 *           switch ACK_DAMAGED shows: it keeps two sound copies of what is committed.
 * Run       model/check: the model and the switches. Left out: PreVote, CheckQuorum, reads,
 *           membership, snapshots (tests/raft_core and `fenlu sim` check those).
 */
#define N 3
#ifndef TERMS /* at most 3 */
#define TERMS 2
#endif
#define LENGTH 2
#ifndef CRASHES
#define CRASHES 1
#endif
#ifndef FAULTS
#define FAULTS 1
#endif
#define LOG(i, k) (((i) * LENGTH) + (k) - 1)
#define OF_TERM(t, i) (((t) * N) + (i))

/* in memory */
byte term[N];
byte voted_for[N]; /* node + 1; 0: nobody */
byte length[N];
byte entries[N * LENGTH];
bool stands[N]; /* a candidate of `term` */
bool leads[N];
byte matched[N]; /* agreed with the leader of `term` up to here */
/* on the disk */
byte disk_term[N];
byte disk_voted_for[N];
byte disk_length[N];
byte disk_entries[N * LENGTH];
byte damaged[N]; /* the damaged entry, which is known by its identifier; 0: none */
byte lost[N];    /* a tail up to here was acknowledged and is gone without a trace of its terms */
bool wiped[N];
/* what has left */
byte granted[(TERMS + 1) * N]; /* by this voter in this term, to node + 1 */
byte acked[(TERMS + 1) * N];   /* by this node to the leader of the term, up to here */
/* history */
byte leader_of[TERMS + 1]; /* node + 1 */
byte leader_length[TERMS + 1];
byte leader_log[(TERMS + 1) * LENGTH];
byte committed[LENGTH];
byte committed_in[LENGTH]; /* by the leader of this term */
byte committed_length;
byte crashes;
byte faults;

#define LAST_TERM(i) ((length[i] == 0) -> 0 : entries[LOG(i, length[i])])
#define UP_TO_DATE(c, v)                                                                           \
    (LAST_TERM(c) > LAST_TERM(v) || (LAST_TERM(c) == LAST_TERM(v) && length[c] >= length[v]))
#define SAME_HARD_STATE(i) (term[i] == disk_term[i] && voted_for[i] == disk_voted_for[i])
#define OPEN(i) (!wiped[i])
#ifdef VOTE_LOST
#define MAY_VOTE(i) OPEN(i)
#else
#define MAY_VOTE(i) (OPEN(i) && lost[i] == 0)
#endif
#ifdef VOTE_EARLY
#define HAS_ASKED(c) true
#else
#define HAS_ASKED(c) SAME_HARD_STATE(c)
#endif
#ifdef ACK_DAMAGED
#define HELD(i, k) true
#else
#define HELD(i, k) (damaged[i] == 0 || k < damaged[i])
#endif
#define OWN_TERM(t, k) (leader_log[LOG(t, k)] == t)

/* What the node's durable state lets it promise. */
inline promise(i)
{
#ifndef VOTE_EARLY
    if
    :: SAME_HARD_STATE(i) && voted_for[i] != 0 && OPEN(i) ->
        granted[OF_TERM(term[i], i)] = voted_for[i]
    :: else
    fi;
#endif
    if
    :: disk_term[i] == term[i] && OPEN(i) && leader_of[term[i]] != 0 ->
        k = 1;
        do
        :: k <= matched[i] && k <= disk_length[i] && HELD(i, k) &&
            disk_entries[LOG(i, k)] == leader_log[LOG(term[i], k)] ->
            if
            :: acked[OF_TERM(term[i], i)] < k -> acked[OF_TERM(term[i], i)] = k
            :: else
            fi;
            if
            :: lost[i] != 0 && k >= lost[i] -> lost[i] = 0
            :: else
            fi;
            k++
        :: else -> break
        od
    :: else
    fi;
    k = 0
}

inline new_term(i, t)
{
    if
    :: t > term[i] ->
        term[i] = t;
        voted_for[i] = 0;
        stands[i] = false;
        leads[i] = false;
        matched[i] = 0
    :: else
    fi
}

inline append_own(i)
{
    length[i]++;
    entries[LOG(i, length[i])] = term[i];
    leader_length[term[i]] = length[i];
    leader_log[LOG(term[i], length[i])] = term[i];
    matched[i] = length[i]
}

inline check_leader(i)
{
    assert(leader_of[term[i]] == 0);
    k = 1;
    do
    :: k <= committed_length ->
        assert(committed_in[k - 1] > term[i] ||
            (length[i] >= k && entries[LOG(i, k)] == committed[k - 1]));
        k++
    :: else -> break
    od;
    k = 0
}

inline forget(i)
{
    term[i] = disk_term[i];
    voted_for[i] = disk_voted_for[i];
    length[i] = disk_length[i];
    stands[i] = false;
    leads[i] = false;
    matched[i] = 0;
    k = 1;
    do
    :: k <= LENGTH ->
        entries[LOG(i, k)] = ((k <= disk_length[i]) -> disk_entries[LOG(i, k)] : 0);
        k++
    :: else -> break
    od;
    k = 0
}

inline cut_disk(i, from)
{
    k = from;
    do
    :: k <= LENGTH -> disk_entries[LOG(i, k)] = 0; k++
    :: else -> break
    od;
    disk_length[i] = from - 1;
    k = 0
}

#define MAY_STAND(i) (MAY_VOTE(i) && lost[i] == 0 && damaged[i] == 0 && !leads[i] && term[i] < TERMS)
inline stand(i)
{
    printf("node %d stands for term %d\n", i, term[i] + 1);
    new_term(i, term[i] + 1);
    voted_for[i] = i + 1;
    stands[i] = true;
#ifdef VOTE_EARLY
    granted[OF_TERM(term[i], i)] = i + 1
#endif
}

/* The candidate's request left when its own vote was durable. */
#define CAN_VOTE(i, c)                                                                             \
    (c != i && MAY_VOTE(i) && stands[c] && HAS_ASKED(c) && UP_TO_DATE(c, i) &&                     \
     (term[c] > term[i] || (term[c] == term[i] && voted_for[i] == 0)))
inline vote(i, c)
{
    printf("node %d votes for %d in term %d\n", i, c, term[c]);
    new_term(i, term[c]);
    voted_for[i] = c + 1;
#ifdef VOTE_EARLY
    granted[OF_TERM(term[i], i)] = c + 1
#endif
}

#define GRANTED(i, v) ((granted[OF_TERM(term[i], v)] == i + 1) -> 1 : 0)
#define MAY_WIN(i) (stands[i] && GRANTED(i, 0) + GRANTED(i, 1) + GRANTED(i, 2) >= 2)
inline win(i)
{
    printf("node %d leads term %d\n", i, term[i]);
    check_leader(i);
    stands[i] = false;
    leads[i] = true;
    leader_of[term[i]] = i + 1;
    leader_length[term[i]] = length[i];
    k = 1;
    do
    :: k <= length[i] -> leader_log[LOG(term[i], k)] = entries[LOG(i, k)]; k++
    :: else -> break
    od;
    k = 0;
    matched[i] = length[i];
    if
    :: length[i] < LENGTH -> append_own(i)
    :: else
    fi;
    promise(i)
}

#define MAY_PROPOSE(i) (leads[i] && length[i] < LENGTH)
inline propose(i)
{
    printf("node %d proposes in term %d\n", i, term[i]);
    append_own(i)
}

/* The first n entries of a term's leader arrive, however late. */
#define MAY_APPEND(i, t, n)                                                                        \
    (OPEN(i) && leader_of[t] != 0 && leader_of[t] != i + 1 && t >= term[i] && n <= leader_length[t])
inline append(i, t, n)
{
    printf("node %d takes the first %d entries of term %d\n", i, n, t);
    new_term(i, t);
    stands[i] = false;
    k = 1;
    do
    :: k <= n && k <= length[i] && entries[LOG(i, k)] == leader_log[LOG(t, k)] -> k++
    :: else -> break
    od;
    if
    :: k <= n -> /* a proven conflict, or new entries */
        c = k;
        do
        :: c <= LENGTH ->
            entries[LOG(i, c)] = ((c <= n) -> leader_log[LOG(t, c)] : 0);
            c++
        :: else -> break
        od;
        c = 0;
        length[i] = n
    :: else
    fi;
    if
    :: matched[i] < n -> matched[i] = n
    :: else
    fi;
#ifdef ACK_EARLY
    if
    :: acked[OF_TERM(t, i)] < n -> acked[OF_TERM(t, i)] = n
    :: else
    fi;
#endif
    k = 0;
    promise(i)
}

/* One element of the write stream. */
#define SAME_ENTRY(i, k) (entries[LOG(i, k)] == disk_entries[LOG(i, k)])
#define MAY_WRITE(i) (!SAME_HARD_STATE(i) || !SAME_ENTRY(i, 1) || !SAME_ENTRY(i, 2))
inline persist(i)
{
    printf("node %d writes\n", i);
    if
    :: !SAME_HARD_STATE(i) ->
        disk_term[i] = term[i];
        disk_voted_for[i] = voted_for[i]
    :: else ->
        c = (SAME_ENTRY(i, 1) -> 2 : 1);
        if
        :: damaged[i] >= c -> damaged[i] = 0 /* written anew, or cut by a leader */
        :: else
        fi;
        cut_disk(i, c);
        if
        :: c <= length[i] ->
            disk_entries[LOG(i, c)] = entries[LOG(i, c)];
            disk_length[i] = c
        :: else
        fi;
        c = 0
    fi;
    promise(i)
}

#define HAS_ACKED(i, v, n) ((acked[OF_TERM(term[i], v)] >= n) -> 1 : 0)
#define MAY_COMMIT(i, n)                                                                           \
    (leads[i] && n > committed_length && n <= leader_length[term[i]] && OWN_TERM(term[i], n) &&   \
     HAS_ACKED(i, 0, n) + HAS_ACKED(i, 1, n) + HAS_ACKED(i, 2, n) >= 2)
inline commit(i, n)
{
    printf("%d entries are committed in term %d\n", n, term[i]);
    k = 1;
    do
    :: k <= n ->
        assert(k > committed_length || committed[k - 1] == leader_log[LOG(term[i], k)]);
        if
        :: k > committed_length -> committed_in[k - 1] = term[i]
        :: else
        fi;
        committed[k - 1] = leader_log[LOG(term[i], k)];
        k++
    :: else -> break
    od;
    k = 0;
    committed_length = n
}

#define MAY_CRASH(i) (crashes < CRASHES)
inline crash(i)
{
    printf("node %d crashes\n", i);
    crashes++;
    forget(i)
}

#define MAY_DAMAGE(i, n) (MAY_CRASH(i) && faults < FAULTS && disk_length[i] >= n && damaged[i] == 0)
inline damage(i, n)
{
    printf("node %d: entry %d is damaged\n", i, n);
    faults++;
#ifdef CUT_DAMAGED
    cut_disk(i, n);
#else
    damaged[i] = n;
#endif
    crash(i)
}

#define MAY_LOSE_TAIL(i) MAY_DAMAGE(i, 1)
inline lose_tail(i)
{
    printf("node %d: entry %d and its identifiers are gone\n", i, disk_length[i]);
    faults++;
    lost[i] = disk_length[i];
    cut_disk(i, disk_length[i]);
    crash(i)
}

#define MAY_LOSE_DISK(i) (MAY_CRASH(i) && faults < FAULTS && disk_term[i] > 0)
inline lose_disk(i)
{
    printf("node %d loses its disk\n", i);
    faults++;
    cut_disk(i, 1);
    disk_term[i] = 0;
    disk_voted_for[i] = 0;
    damaged[i] = 0;
    lost[i] = 0;
#ifndef SAME_IDENTITY
    wiped[i] = true;
#endif
    crash(i)
}

/* From any node that holds the entry; the chain proves that it is the one. */
#define MAY_REPAIR(i, c)                                                                           \
    (c != i && damaged[i] != 0 && damaged[i] <= disk_length[c] && damaged[c] != damaged[i] &&      \
     disk_entries[LOG(c, damaged[i])] == disk_entries[LOG(i, damaged[i])])
inline repair(i, c)
{
    printf("node %d: entry %d is repaired from %d\n", i, damaged[i], c);
    damaged[i] = 0;
    promise(i)
}

#define EACH(MAY, act)                                                                             \
    :: d_step { MAY(0) -> act(0) } :: d_step { MAY(1) -> act(1) } :: d_step { MAY(2) -> act(2) }
#define EACH_WITH(MAY, act, ...)                                                                   \
    :: d_step { MAY(0, __VA_ARGS__) -> act(0, __VA_ARGS__) }                                       \
    :: d_step { MAY(1, __VA_ARGS__) -> act(1, __VA_ARGS__) }                                       \
    :: d_step { MAY(2, __VA_ARGS__) -> act(2, __VA_ARGS__) }

active proctype cluster()
{
    byte c, k;
end:
    do
    EACH(MAY_STAND, stand)
    EACH_WITH(CAN_VOTE, vote, 0)
    EACH_WITH(CAN_VOTE, vote, 1)
    EACH_WITH(CAN_VOTE, vote, 2)
    EACH(MAY_WIN, win)
    EACH(MAY_PROPOSE, propose)
    EACH_WITH(MAY_APPEND, append, 1, 1)
    EACH_WITH(MAY_APPEND, append, 1, 2)
    EACH_WITH(MAY_APPEND, append, 2, 1)
    EACH_WITH(MAY_APPEND, append, 2, 2)
#if TERMS > 2
    EACH_WITH(MAY_APPEND, append, 3, 1)
    EACH_WITH(MAY_APPEND, append, 3, 2)
#endif
    EACH(MAY_WRITE, persist)
    EACH_WITH(MAY_COMMIT, commit, 1)
    EACH_WITH(MAY_COMMIT, commit, 2)
    EACH(MAY_CRASH, crash)
    EACH_WITH(MAY_DAMAGE, damage, 1)
    EACH_WITH(MAY_DAMAGE, damage, 2)
    EACH(MAY_LOSE_TAIL, lose_tail)
    EACH(MAY_LOSE_DISK, lose_disk)
    EACH_WITH(MAY_REPAIR, repair, 0)
    EACH_WITH(MAY_REPAIR, repair, 1)
    EACH_WITH(MAY_REPAIR, repair, 2)
    od
}
