#include "hsm/following.h"

#include "hsm/followed.h"
#include "hsm/proven.h"

#include <string.h>

#define refuse(...) mm_fail(MM_E_TOKEN_REFUSED, __VA_ARGS__)

void
mm_following_init(
    struct mm_following *following, const struct mm_follower *follower)
{
	*following = (struct mm_following){.born = false};
	mm_birth_init(&following->birth);
	if (follower != NULL)
		following->follower = *follower;
}

/* All but the trail. */
static void
forget(struct mm_following *following)
{
	mm_followed_clear(&following->imports, mm_followed_import_free);
	mm_followed_clear(&following->keys, mm_followed_key_free);
	mm_followed_clear(&following->ceremonies, mm_followed_ceremony_free);
	mm_followed_clear(&following->forces, mm_force_free);
	mm_birth_clear(&following->birth);
	following->born = false;
}

void
mm_following_clear(struct mm_following *following)
{
	forget(following);
	free(following->trail.indexes);
	mm_following_init(following, NULL);
}

/* --- what was followed before comes again, in the same order --- */

static enum mm_error
trail_check(const struct mm_trail *trail, uint64_t index)
{
	if (trail->at > 0 && index <= trail->indexes[trail->at - 1])
		return refuse("entry %ju does not come after entry %ju, which "
			      "was followed last",
		    (uintmax_t)index, (uintmax_t)trail->indexes[trail->at - 1]);
	if (trail->at < trail->count && trail->indexes[trail->at] != index)
		return refuse("entry %ju was followed before, and comes next",
		    (uintmax_t)trail->indexes[trail->at]);
	return MM_OK;
}

static enum mm_error
trail_room(struct mm_trail *trail)
{
	size_t wider = trail->capacity > 0 ? 2 * trail->capacity : 64;
	uint64_t *more;

	if (trail->count < trail->capacity)
		return MM_OK;
	more = reallocarray(trail->indexes, wider, sizeof(*more));
	if (more == NULL)
		return mm_followed_no_memory();
	trail->indexes = more;
	trail->capacity = wider;
	return MM_OK;
}

static void
trail_go(struct mm_trail *trail, uint64_t index)
{
	if (trail->at == trail->count)
		trail->indexes[trail->count++] = index;
	trail->at++;
}

bool
mm_following_complete(const struct mm_following *following)
{
	return following->born && following->trail.at == following->trail.count;
}

/* --- the genesis --- */

static enum mm_error
keep_birth_ceremony(struct mm_following *following)
{
	const struct mm_birth *birth = &following->birth;
	struct mm_followed_ceremony *one = calloc(1, sizeof(*one));
	enum mm_error error;

	if (one == NULL)
		return mm_followed_no_memory();
	one->time = birth->time;
	one->end = birth->ceremony_end;
	one->force = mm_force_at(following, 0);
	one->claim = birth->ceremony;
	memcpy(
	    one->statement, birth->ceremony_statement, sizeof(one->statement));
	error = mm_followed_keep(&following->ceremonies, one);
	if (error != MM_OK)
		mm_followed_ceremony_free(one);
	return error;
}

/* Takes force and birth, which are empty afterwards. */
static enum mm_error
keep_birth(struct mm_following *following, struct mm_birth *birth,
    struct mm_force *first)
{
	struct mm_force *force = calloc(1, sizeof(*force));
	enum mm_error error = force != NULL
				  ? mm_followed_keep(&following->forces, force)
				  : mm_followed_no_memory();

	if (error != MM_OK) {
		free(force);
		return error;
	}
	*force = *first;
	mm_force_init(first);
	following->birth = *birth;
	mm_birth_init(birth);
	error = keep_birth_ceremony(following);
	for (mm_list_each(const struct mm_genesis_key, key,
		 following->birth.genesis.keys)) {
		if (error != MM_OK)
			return error;
		error = mm_followed_keep_key(following, key, 0);
	}
	following->born = error == MM_OK;
	return error;
}

/* The trail stays with the one that it belongs to. */
static void
change_places(struct mm_following *following, struct mm_following *fresh)
{
	struct mm_following former = *following;

	fresh->trail = former.trail;
	fresh->trail.at = 0;
	former.trail = (struct mm_trail){.indexes = NULL};
	*following = *fresh;
	*fresh = former;
}

static enum mm_error
take_genesis(struct mm_following *following, struct mm_birth *birth,
    struct mm_force *first)
{
	const struct mm_follower *follower = &following->follower;
	mm_auto(following) fresh = {.born = false};
	enum mm_error error = MM_OK;

	mm_following_init(&fresh, follower);
	if (follower->genesis != NULL)
		error = follower->genesis(follower->self, birth, first);
	if (error == MM_OK)
		error = keep_birth(&fresh, birth, first);
	if (error == MM_OK)
		change_places(following, &fresh);
	return error;
}

/* `request` NULL: its place is taken for granted. */
static enum mm_error
follow_genesis(struct mm_following *following, struct mm_span bytes,
    uint64_t index, const struct mm_token_follow_request *request)
{
	mm_auto(birth) birth;
	mm_auto(force) first;
	enum mm_error error;

	mm_birth_init(&birth);
	mm_force_init(&first);
	if (index != 0)
		return refuse("a log's genesis is its entry 0");
	error = request != NULL ? mm_birth_check(request, &birth, &first)
				: mm_birth_read(bytes, &birth, &first);
	return error == MM_OK ? take_genesis(following, &birth, &first) : error;
}

/* --- policies --- */

static enum mm_error
read_policy(struct mm_following *following, struct mm_span bytes,
    uint64_t index, struct mm_force *next)
{
	const struct mm_follower *follower = &following->follower;
	enum mm_error error = mm_force_read(
	    bytes, index, &following->birth, mm_force_last(following), next);

	if (error == MM_OK && follower->policy != NULL)
		error = follower->policy(follower->self, next);
	return error == MM_OK ? mm_followed_keep(&following->forces, next)
			      : error;
}

static enum mm_error
follow_policy(
    struct mm_following *following, struct mm_span bytes, uint64_t index)
{
	struct mm_force *next = calloc(1, sizeof(*next));
	enum mm_error error;

	if (next == NULL)
		return mm_followed_no_memory();
	mm_force_init(next);
	error = read_policy(following, bytes, index, next);
	if (error != MM_OK)
		mm_force_free(next);
	return error;
}

/* --- the next entry --- */

static enum mm_error (*const steps[MM_ENTRY_KINDS])(struct mm_following *,
    struct mm_span, uint64_t) = {[MM_ENTRY_POLICY] = follow_policy,
    [MM_ENTRY_CEREMONY] = mm_follow_ceremony,
    [MM_ENTRY_KEY] = mm_follow_key,
    [MM_ENTRY_IMPORT] = mm_follow_import};

bool
mm_following_wants(uint64_t kind)
{
	return kind == MM_ENTRY_GENESIS ||
	       (kind < MM_ENTRY_KINDS && steps[kind] != NULL);
}

/* A policy's entry is of the policy that it brings. */
static enum mm_error
check_policy(const struct mm_following *following, const struct mm_entry *frame)
{
	const struct mm_force *force = mm_force_last(following);

	if (frame->kind == MM_ENTRY_POLICY ||
	    memcmp(frame->policy, force->digest, sizeof(frame->policy)) == 0)
		return MM_OK;
	return refuse("it is not of policy %ju, which is in force at its place",
	    (uintmax_t)force->policy.number);
}

static enum mm_error
follow_later(struct mm_following *following, const struct mm_entry *frame,
    struct mm_span bytes, uint64_t index,
    const struct mm_token_follow_request *request)
{
	struct mm_hash leaf;
	enum mm_error error = MM_OK;

	if (!following->born)
		return refuse("the genesis is followed first");
	if (request != NULL)
		error =
		    mm_proven_follow(request, &following->birth.vkey, &leaf);
	if (error == MM_OK)
		error = trail_check(&following->trail, index);
	if (error == MM_OK)
		error = check_policy(following, frame);
	return error == MM_OK ? steps[frame->kind](following, bytes, index)
			      : error;
}

static enum mm_error
follow(struct mm_following *following, struct mm_span bytes, uint64_t index,
    const struct mm_token_follow_request *request)
{
	mm_auto(arena) arena = {0};
	struct mm_entry frame;
	enum mm_error error;

	mm_arena_init(&arena, MM_FOLLOWED_ARENA);
	error = mm_entry_decode(bytes, &arena, &frame);
	if (error == MM_OK && !mm_following_wants(frame.kind))
		error = refuse("entries of kind %s are not followed",
		    mm_entry_kind_name(frame.kind));
	if (error == MM_OK)
		error = trail_room(&following->trail);
	if (error == MM_OK && frame.kind == MM_ENTRY_GENESIS)
		error = follow_genesis(following, bytes, index, request);
	else if (error == MM_OK)
		error = follow_later(following, &frame, bytes, index, request);
	if (error == MM_OK)
		trail_go(&following->trail, index);
	return error;
}

enum mm_error
mm_following_check(struct mm_following *following,
    const struct mm_token_follow_request *request)
{
	return follow(
	    following, request->entry.entry, request->entry.index, request);
}

enum mm_error
mm_following_read(
    struct mm_following *following, struct mm_span entry, uint64_t index)
{
	return follow(following, entry, index, NULL);
}
