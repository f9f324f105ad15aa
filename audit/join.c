#include "audit/join.h"

#include <stdlib.h>
#include <string.h>

/* A certificate of the predecessor's has no entry: it is named by a number
 * that no entry has. */
#define INHERITED (UINT64_C(1) << 63)
#define NOBODY UINT64_MAX

/* "entry 9: ", this, and the number of the entry that has it. */
static const char *const texts[MM_THINGS] = {
    [MM_THING_SERIAL] = "its serial number is also that of",
    [MM_THING_DEVICE] = "its device has a live certificate already, of",
    [MM_THING_KEY] = "its key belongs to another, of",
    [MM_THING_RELEASE] = "its release has a live signature already, of",
    [MM_THING_REQUEST] = "its request is also that of",
    [MM_THING_STATEMENT] = "its statement is also that of",
    [MM_THING_VERSION] = "its version of the product is another image in",
    [MM_THING_PARTITION] = "its partition has a live signature already, of",
    [MM_THING_UNIT] = "its unit is also that of"};

/* A certificate, or whoever else holds a thing. */
struct holder {
	uint64_t id;    /* the entry's index, or INHERITED | which one */
	uint64_t index; /* of the entry that says so; NOBODY */
};
static const struct holder nobody = {NOBODY, NOBODY};

/* Two that must be of one device: a key that is in both, or a serial number
 * that the second one replaces. */
struct pair {
	struct holder one, other;
};

/* A certificate of a pair, and its device: 1, 2, 3... as they are read. */
struct watched {
	uint64_t id, device;
};

struct joining {
	struct mm_revocations *revocations;
	struct pair *pairs;
	size_t pair_count, pair_capacity;
	struct watched *watched; /* by id */
	size_t watched_count;
	/* The thing whose facts are being read. */
	uint8_t name[MM_LEDGER_NAME];
	struct holder holder, before; /* before: that is being replaced */
	uint32_t issuer;
	uint64_t pending, withdrawn; /* entries; NOBODY */
	uint64_t scrapped;           /* the entry that says so; NOBODY */
	uint64_t banned;             /* the entry that revoked its key */
	uint64_t device;
	uint64_t image, images; /* of a version: which, in so many entries */
};

static enum mm_error
taken_twice(const struct joining *j, const struct mm_fact *fact)
{
	return mm_fail(MM_E_LOG_WRONG, "entry %llu: %s entry %llu",
	    (unsigned long long)fact->index, texts[mm_fact_thing(fact)],
	    (unsigned long long)j->holder.index);
}

static struct holder
holder_of(const struct mm_fact *fact)
{
	uint64_t id = mm_fact_kind(fact) == MM_FACT_INHERITED
			  ? INHERITED | (mm_fact_number(fact) & UINT32_MAX)
			  : fact->index;

	return (struct holder){id, fact->index};
}

static enum mm_error
add_pair(struct joining *j, struct holder one, struct holder other)
{
	if (j->pair_count == j->pair_capacity) {
		size_t wider = j->pair_capacity > 0 ? 2 * j->pair_capacity : 16;
		struct pair *pairs =
		    reallocarray(j->pairs, wider, sizeof(*pairs));

		if (pairs == NULL)
			return mm_fail(MM_E_MEMORY, "no memory for an audit");
		j->pairs = pairs;
		j->pair_capacity = wider;
	}
	j->pairs[j->pair_count++] = (struct pair){one, other};
	return MM_OK;
}

/* --- the first reading --- */

static enum mm_error
read_once(struct joining *j, const struct mm_fact *fact)
{
	if (mm_fact_kind(fact) == MM_FACT_GIVEN_BACK) {
		j->holder = nobody;
		return MM_OK;
	}
	if (j->holder.index != NOBODY)
		return taken_twice(j, fact);
	j->holder = holder_of(fact);
	return MM_OK;
}

static enum mm_error
read_revoked(struct joining *j, const struct mm_fact *fact)
{
	if (j->holder.index == NOBODY)
		return mm_fail(MM_E_LOG_WRONG,
		    "entry %llu: it revokes a serial number that no "
		    "certificate before it has",
		    (unsigned long long)fact->index);
	return mm_revocations_found(j->revocations,
	    (uint32_t)mm_fact_number(fact), j->issuer, j->holder.id);
}

/* All inherited things are of one entry: which one it was, the device says. */
static enum mm_error
read_replaced(struct joining *j, const struct mm_fact *fact)
{
	uint64_t former = mm_fact_number(fact);

	if (j->holder.index != former)
		return mm_fail(MM_E_LOG_WRONG,
		    "entry %llu: it replaces entry %llu, which has another "
		    "serial number",
		    (unsigned long long)fact->index,
		    (unsigned long long)former);
	return j->holder.id == j->holder.index
		   ? MM_OK
		   : add_pair(j, j->holder, holder_of(fact));
}

static enum mm_error
read_serial(struct joining *j, const struct mm_fact *fact)
{
	enum mm_fact_kind kind = mm_fact_kind(fact);
	uint64_t number = mm_fact_number(fact);

	if (kind == MM_FACT_REVOKED)
		return read_revoked(j, fact);
	if (kind == MM_FACT_REPLACED)
		return read_replaced(j, fact);
	j->issuer =
	    (uint32_t)(kind == MM_FACT_INHERITED ? number >> 32 : number);
	return read_once(j, fact);
}

/* A device may have its key again, in a certificate that replaces one. What
 * is inherited was another auditor's to judge. */
static enum mm_error
read_key(struct joining *j, const struct mm_fact *fact)
{
	enum mm_fact_kind kind = mm_fact_kind(fact);
	enum mm_error error = MM_OK;

	if (kind == MM_FACT_CERTIFIED)
		return MM_OK;
	if (kind == MM_FACT_GIVEN_BACK) {
		j->holder = j->before;
		j->before = nobody;
		return MM_OK;
	}
	if (j->holder.index != NOBODY && kind == MM_FACT_HELD)
		return taken_twice(j, fact);
	if (j->holder.index != NOBODY && kind == MM_FACT_TAKEN)
		error = add_pair(j, j->holder, holder_of(fact));
	j->before = j->holder;
	j->holder = holder_of(fact);
	return error;
}

static enum mm_error
read_statement(struct joining *j, const struct mm_fact *fact)
{
	enum mm_fact_kind kind = mm_fact_kind(fact);
	unsigned long long index = fact->index;

	if (j->withdrawn != NOBODY)
		return mm_fail(MM_E_LOG_WRONG,
		    "entry %llu: entry %llu has withdrawn what it states",
		    index, (unsigned long long)j->withdrawn);
	if (kind == MM_FACT_SPOKEN)
		return MM_OK;
	if (j->holder.index != NOBODY)
		return taken_twice(j, fact);
	if (kind == MM_FACT_TAKEN)
		j->holder = holder_of(fact);
	else if (kind == MM_FACT_PENDING)
		j->pending = fact->index;
	else if (j->pending == NOBODY)
		return mm_fail(MM_E_LOG_WRONG,
		    "entry %llu: it withdraws what did not wait", index);
	else
		j->withdrawn = fact->index;
	return MM_OK;
}

/* What was issued under the order, and is said to be scrap once. */
static enum mm_error
read_unit(struct joining *j, const struct mm_fact *fact)
{
	uint64_t certificate = mm_fact_number(fact);

	if (mm_fact_kind(fact) != MM_FACT_SCRAPPED)
		return read_once(j, fact);
	if (j->holder.index != certificate)
		return mm_fail(MM_E_LOG_WRONG,
		    "entry %llu: its order has not issued entry %llu to this "
		    "device with this serial number",
		    (unsigned long long)fact->index,
		    (unsigned long long)certificate);
	if (j->scrapped != NOBODY)
		return mm_fail(MM_E_LOG_WRONG,
		    "entry %llu: entry %llu says of its unit already that it "
		    "is scrap",
		    (unsigned long long)fact->index,
		    (unsigned long long)j->scrapped);
	j->scrapped = fact->index;
	return MM_OK;
}

/* A version of a product is one image, whatever it is signed by. */
static enum mm_error
read_version(struct joining *j, const struct mm_fact *fact)
{
	if (mm_fact_kind(fact) == MM_FACT_GIVEN_BACK) {
		j->images--;
		return MM_OK;
	}
	if (j->images > 0 && j->image != mm_fact_number(fact))
		return taken_twice(j, fact);
	j->image = mm_fact_number(fact);
	j->images++;
	j->holder = holder_of(fact);
	return MM_OK;
}

/* --- between the readings --- */

static int
compare_watched(const void *one, const void *other)
{
	uint64_t a = ((const struct watched *)one)->id;
	uint64_t b = ((const struct watched *)other)->id;

	return (a > b) - (a < b);
}

static enum mm_error
watch(struct joining *j)
{
	size_t count = 2 * j->pair_count, kept = 0;

	if (count == 0)
		return MM_OK;
	j->watched = calloc(count, sizeof(*j->watched));
	if (j->watched == NULL)
		return mm_fail(MM_E_MEMORY, "no memory for an audit");
	for (size_t i = 0; i < count; i++)
		j->watched[i].id = i % 2 == 0 ? j->pairs[i / 2].one.id
					      : j->pairs[i / 2].other.id;
	qsort(j->watched, count, sizeof(*j->watched), compare_watched);
	for (size_t i = 0; i < count; i++)
		if (kept == 0 || j->watched[kept - 1].id != j->watched[i].id)
			j->watched[kept++] = j->watched[i];
	j->watched_count = kept;
	return MM_OK;
}

static struct watched *
find_watched(const struct joining *j, uint64_t id)
{
	const struct watched wanted = {.id = id};

	return j->watched_count == 0
		   ? NULL
		   : bsearch(&wanted, j->watched, j->watched_count,
			 sizeof(wanted), compare_watched);
}

/* --- the second reading --- */

static void
note_device(struct joining *j, const struct mm_fact *fact)
{
	struct watched *watched = find_watched(j, holder_of(fact).id);

	if (watched != NULL)
		watched->device = j->device;
}

/* What was revoked in the predecessor's log is so from its entry here on. */
static enum mm_standing
standing(const struct joining *j, const struct holder *holder, uint64_t index)
{
	if (holder->index == NOBODY)
		return MM_REVOKED;
	return mm_standing_before(j->revocations, holder->id,
	    (holder->id & INHERITED) != 0 ? index + 1 : index);
}

static enum mm_error
replace_device(struct joining *j, const struct mm_fact *fact)
{
	uint64_t former = mm_fact_number(fact);

	if (standing(j, &j->holder, fact->index) == MM_REVOKED ||
	    j->holder.index != former)
		return mm_fail(MM_E_LOG_WRONG,
		    "entry %llu: it replaces entry %llu, which is not the "
		    "certificate that its device has",
		    (unsigned long long)fact->index,
		    (unsigned long long)former);
	j->before = j->holder;
	j->holder = holder_of(fact);
	return MM_OK;
}

static enum mm_error
on_hold(const struct joining *j, const struct mm_fact *fact, const char *whose)
{
	return mm_fail(MM_E_LOG_WRONG,
	    "entry %llu: its %s a certificate on hold, of entry "
	    "%llu",
	    (unsigned long long)fact->index, whose,
	    (unsigned long long)j->holder.index);
}

/* What is signed for a device is signed for the certificate that it has. */
static enum mm_error
has_device(const struct joining *j, const struct mm_fact *fact)
{
	uint64_t certificate = mm_fact_number(fact);

	if (j->holder.index == certificate &&
	    standing(j, &j->holder, fact->index) == MM_STANDS)
		return MM_OK;
	return mm_fail(MM_E_LOG_WRONG,
	    "entry %llu: entry %llu is not the certificate that its device has",
	    (unsigned long long)fact->index, (unsigned long long)certificate);
}

/* DESIGN.md promise 2: one live certificate per (profile, device). */
static enum mm_error
read_device(struct joining *j, const struct mm_fact *fact)
{
	enum mm_fact_kind kind = mm_fact_kind(fact);
	struct holder one = holder_of(fact);

	if (kind == MM_FACT_GIVEN_BACK) {
		j->holder = j->before;
		j->before = nobody;
		return MM_OK;
	}
	if (kind == MM_FACT_HAS)
		return has_device(j, fact);
	note_device(j, fact);
	if (kind == MM_FACT_REPLACED)
		return replace_device(j, fact);
	if (kind == MM_FACT_INHERITED &&
	    standing(j, &one, fact->index) == MM_REVOKED)
		return MM_OK;
	if (standing(j, &j->holder, fact->index) == MM_ON_HOLD)
		return on_hold(j, fact, "device has");
	if (standing(j, &j->holder, fact->index) == MM_STANDS)
		return taken_twice(j, fact);
	j->before = nobody;
	j->holder = one;
	return MM_OK;
}

/* What a certificate was revoked for is true of its key. */
static enum mm_error
read_banned(struct joining *j, const struct mm_fact *fact)
{
	enum mm_fact_kind kind = mm_fact_kind(fact);
	uint64_t revoked;

	if (kind == MM_FACT_GIVEN_BACK) {
		j->holder = j->before;
		j->before = nobody;
		return MM_OK;
	}
	if (kind == MM_FACT_HELD)
		return MM_OK;
	if (j->banned < fact->index)
		return mm_fail(MM_E_LOG_WRONG,
		    "entry %llu: its key was in a certificate that entry %llu "
		    "has revoked",
		    (unsigned long long)fact->index,
		    (unsigned long long)j->banned);
	if (kind == MM_FACT_TAKEN &&
	    standing(j, &j->holder, fact->index) == MM_ON_HOLD)
		return on_hold(j, fact, "key is in");
	revoked = mm_revoked_by(j->revocations, holder_of(fact).id);
	if (revoked < j->banned)
		j->banned = revoked;
	if (kind != MM_FACT_CERTIFIED) {
		j->before = j->holder;
		j->holder = holder_of(fact);
	}
	return MM_OK;
}

/* --- both --- */

typedef enum mm_error reader(struct joining *j, const struct mm_fact *fact);

static reader *const first[MM_THINGS] = {[MM_THING_SERIAL] = read_serial,
    [MM_THING_KEY] = read_key,
    [MM_THING_RELEASE] = read_once,
    [MM_THING_REQUEST] = read_once,
    [MM_THING_STATEMENT] = read_statement,
    [MM_THING_VERSION] = read_version,
    [MM_THING_PARTITION] = read_once,
    [MM_THING_UNIT] = read_unit};
static reader *const second[MM_THINGS] = {
    [MM_THING_DEVICE] = read_device, [MM_THING_KEY] = read_banned};

static enum mm_error
read_fact(struct joining *j, reader *const *readers, const struct mm_fact *fact)
{
	reader *read = readers[mm_fact_thing(fact)];

	if (memcmp(j->name, fact->name, sizeof(j->name)) != 0) {
		j->holder = j->before = nobody;
		j->pending = j->withdrawn = j->banned = NOBODY;
		j->scrapped = NOBODY;
		j->images = 0;
		j->device++;
	}
	memcpy(j->name, fact->name, sizeof(j->name));
	return read != NULL ? read(j, fact) : MM_OK;
}

static enum mm_error
read_first(void *self, const struct mm_fact *fact)
{
	return read_fact(self, first, fact);
}

static enum mm_error
read_second(void *self, const struct mm_fact *fact)
{
	return read_fact(self, second, fact);
}

static void
begin(struct joining *j)
{
	memset(j->name, 0, sizeof(j->name));
	j->holder = j->before = nobody;
	j->pending = j->withdrawn = j->banned = NOBODY;
	j->scrapped = NOBODY;
	j->images = 0;
	j->device = 1;
}

static enum mm_error
check_pair(const struct joining *j, const struct pair *pair)
{
	const struct watched *one = find_watched(j, pair->one.id);
	const struct watched *other = find_watched(j, pair->other.id);

	if (one->device != 0 && one->device == other->device)
		return MM_OK;
	return mm_fail(MM_E_LOG_WRONG, "entry %llu: %s entry %llu",
	    (unsigned long long)pair->other.index, texts[MM_THING_KEY],
	    (unsigned long long)pair->one.index);
}

static enum mm_error
judge(struct joining *j, struct mm_ledger *ledger)
{
	enum mm_error error;

	begin(j);
	error = mm_ledger_read(ledger, read_first, j);
	if (error == MM_OK)
		error = mm_revocations_sort(j->revocations);
	if (error == MM_OK)
		error = watch(j);
	begin(j);
	if (error == MM_OK)
		error = mm_ledger_read(ledger, read_second, j);
	for (size_t i = 0; i < j->pair_count && error == MM_OK; i++)
		error = check_pair(j, &j->pairs[i]);
	return error;
}

enum mm_error
mm_facts_judge(struct mm_ledger *ledger, struct mm_revocations *revocations)
{
	struct joining joining = {.revocations = revocations};
	enum mm_error error = judge(&joining, ledger);

	free(joining.pairs);
	free(joining.watched);
	return error;
}
