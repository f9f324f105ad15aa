#include "audit/revoked.h"

#include <stdlib.h>
#include <string.h>

enum {
	SUPERSEDED = 4, /* RFC 5280 5.3.1 */
	HOLD = 6,
	NOT_USED = 7,
	REMOVE_FROM_CRL = 8,
	ACTS_FIRST = 64,
	CRLS_MEMORY = 1 << 20
};

#define NO_ACT UINT32_MAX
#define NO_ISSUER UINT32_MAX

/* One statement about one certificate. */
struct act {
	struct mm_thing_name serial;
	uint64_t index; /* of its entry */
	uint64_t time;
	uint64_t certificate; /* in the end */
	uint64_t listed;      /* the last CRL's entry that has it; 0: none */
	uint32_t former;      /* of the same serial; NO_ACT: it is the first */
	uint32_t claimed;     /* issuer of the CRLs that have it; NO_ISSUER */
	uint32_t issuer;      /* in the end */
	uint8_t reason;
};

struct mm_revocations {
	struct act *acts; /* by index, ascending */
	size_t count, capacity;
	/* Open addressing: each serial's last act, NO_ACT where free; twice
	 * as wide as `acts`. */
	uint32_t *slots;
	struct mm_ledger *crls;
	uint32_t *sorted; /* acts, by certificate, then as they came */
	/* Of the verdict. */
	size_t judged;                    /* acts */
	uint64_t revoked[MM_ISSUERS_MAX]; /* by them, of each issuer */
};

static enum mm_error
no_memory(void)
{
	return mm_fail(MM_E_MEMORY, "no memory for the revocations");
}

enum mm_error
mm_revocations_new(const char *work, struct mm_revocations **out)
{
	struct mm_revocations *made = calloc(1, sizeof(*made));
	enum mm_error error;

	if (made == NULL)
		return no_memory();
	error = mm_ledger_new(work, CRLS_MEMORY, &made->crls);
	if (error != MM_OK)
		mm_revocations_free(made);
	else
		*out = made;
	return error;
}

void
mm_revocations_free(struct mm_revocations *revocations)
{
	if (revocations == NULL)
		return;
	mm_ledger_free(revocations->crls);
	free(revocations->slots);
	free(revocations->sorted);
	free(revocations->acts);
	free(revocations);
}

/* --- finding --- */

/* The slot of a serial, or the free one where it would be. Names are hashes,
 * so that their first bytes spread well. */
static uint32_t *
slot_of(const struct mm_revocations *revocations,
    const struct mm_thing_name *serial)
{
	size_t width = 2 * revocations->capacity;
	uint64_t start;

	memcpy(&start, serial->bytes, sizeof(start));
	for (size_t at = start % width;; at = (at + 1) % width) {
		uint32_t act = revocations->slots[at];

		if (act == NO_ACT || memcmp(&revocations->acts[act].serial,
					 serial, sizeof(*serial)) == 0)
			return &revocations->slots[at];
	}
}

/* What was said of it last, before the entry `size`; NULL. */
static struct act *
last_before(struct mm_revocations *revocations,
    const struct mm_thing_name *serial, uint64_t size)
{
	uint32_t act =
	    revocations->capacity > 0 ? *slot_of(revocations, serial) : NO_ACT;

	while (act != NO_ACT && revocations->acts[act].index >= size)
		act = revocations->acts[act].former;
	return act != NO_ACT ? &revocations->acts[act] : NULL;
}

static enum mm_error
make_room(struct mm_revocations *revocations)
{
	size_t wider =
	    revocations->capacity > 0 ? 2 * revocations->capacity : ACTS_FIRST;
	struct act *acts;
	uint32_t *slots;

	if (revocations->count < revocations->capacity)
		return MM_OK;
	if (wider > NO_ACT / 2)
		return no_memory();
	acts = reallocarray(revocations->acts, wider, sizeof(*acts));
	if (acts == NULL)
		return no_memory();
	revocations->acts = acts;
	slots = reallocarray(NULL, 2 * wider, sizeof(*slots));
	if (slots == NULL)
		return no_memory();
	memset(slots, 0xff, 2 * wider * sizeof(*slots));
	free(revocations->slots);
	revocations->slots = slots;
	revocations->capacity = wider;
	/* A later act of the same serial takes the former one's place. */
	for (size_t i = 0; i < revocations->count; i++)
		*slot_of(revocations, &acts[i].serial) = (uint32_t)i;
	return MM_OK;
}

/* --- revocations --- */

static bool
is_revoked(const struct act *last)
{
	return last != NULL && last->reason != REMOVE_FROM_CRL;
}

static enum mm_error
check_reason(const struct act *last, uint64_t reason)
{
	bool held = last != NULL && last->reason == HOLD;

	if (reason == NOT_USED)
		return mm_fail(MM_E_LOG_WRONG,
		    "it revokes for the reason 7, which RFC 5280 5.3.1 does "
		    "not use");
	if (reason == REMOVE_FROM_CRL && !held)
		return mm_fail(
		    MM_E_LOG_WRONG, "it takes back a hold that was not there");
	if (is_revoked(last) && (!held || reason == HOLD))
		return mm_fail(MM_E_LOG_WRONG,
		    "it revokes a certificate that entry %llu has revoked",
		    (unsigned long long)last->index);
	return MM_OK;
}

static enum mm_error
add_act(struct mm_revocations *revocations, const struct mm_thing_name *serial,
    const struct mm_revocation *one, uint32_t *act)
{
	enum mm_error error = make_room(revocations);
	uint32_t *slot;

	if (error != MM_OK)
		return error;
	slot = slot_of(revocations, serial);
	*act = (uint32_t)revocations->count++;
	revocations->acts[*act] = (struct act){.serial = *serial,
	    .index = one->index,
	    .time = one->time,
	    .former = *slot,
	    .claimed = NO_ISSUER,
	    .issuer = NO_ISSUER,
	    .reason = (uint8_t)one->reason};
	*slot = *act;
	return MM_OK;
}

enum mm_error
mm_revocations_add(struct mm_revocations *revocations,
    const struct mm_thing_name *serial, const struct mm_revocation *one,
    uint32_t *act)
{
	enum mm_error error = check_reason(
	    last_before(revocations, serial, UINT64_MAX), one->reason);

	return error == MM_OK ? add_act(revocations, serial, one, act) : error;
}

enum mm_error
mm_revocations_supersede(struct mm_revocations *revocations,
    const struct mm_thing_name *serial, uint64_t index, uint64_t time,
    uint32_t *act, bool *made)
{
	const struct mm_revocation one = {
	    .index = index, .time = time, .reason = SUPERSEDED};
	const struct act *last = last_before(revocations, serial, UINT64_MAX);

	*made = !is_revoked(last) || last->reason == HOLD;
	return *made ? add_act(revocations, serial, &one, act) : MM_OK;
}

/* --- CRLs --- */

enum mm_error
mm_revocations_listed(struct mm_revocations *revocations,
    const struct mm_crl_said *crl, const struct mm_thing_name *serial,
    uint64_t reason, uint64_t date)
{
	struct act *act = last_before(revocations, serial, crl->size);

	if (!is_revoked(act))
		return mm_fail(MM_E_LOG_WRONG,
		    "its CRL lists a certificate that no entry before %llu "
		    "has revoked",
		    (unsigned long long)crl->size);
	if (act->listed == crl->index)
		return mm_fail(MM_E_LOG_WRONG,
		    "its CRL lists twice what entry %llu has revoked",
		    (unsigned long long)act->index);
	if (reason != act->reason)
		return mm_fail(MM_E_LOG_WRONG,
		    "its CRL has the reason %llu for what entry %llu has "
		    "revoked for the reason %u",
		    (unsigned long long)reason, (unsigned long long)act->index,
		    act->reason);
	if (date != act->time)
		return mm_fail(MM_E_LOG_WRONG,
		    "its CRL has another date for what entry %llu has revoked",
		    (unsigned long long)act->index);
	if (act->claimed != NO_ISSUER && act->claimed != crl->issuer)
		return mm_fail(MM_E_LOG_WRONG,
		    "its CRL lists what entry %llu has revoked, which another "
		    "CA's CRL lists, in entry %llu",
		    (unsigned long long)act->index,
		    (unsigned long long)act->listed);
	act->listed = crl->index;
	act->claimed = crl->issuer;
	return MM_OK;
}

/* A number so that names in their order are numbers in theirs. */
static void
put_number(uint8_t out[8], uint64_t number)
{
	for (size_t i = 0; i < 8; i++)
		out[i] = (uint8_t)(number >> 8 * (7 - i));
}

static uint64_t
get_number(const uint8_t in[8])
{
	uint64_t number = 0;

	for (size_t i = 0; i < 8; i++)
		number = number << 8 | in[i];
	return number;
}

/* In this ledger a fact's name is the CRL's size, and then its count. */
_Static_assert(
    MM_LEDGER_NAME == 16, "two numbers of 64 bits are the name of a fact");

enum mm_error
mm_revocations_crl(
    struct mm_revocations *revocations, const struct mm_crl_said *crl)
{
	struct mm_fact fact = {.index = crl->index, .value = crl->issuer};

	put_number(fact.name, crl->size);
	put_number(fact.name + 8, crl->count);
	return mm_ledger_add(revocations->crls, &fact);
}

/* --- the verdict --- */

enum mm_error
mm_revocations_found(struct mm_revocations *revocations, uint32_t number,
    uint32_t issuer, uint64_t certificate)
{
	struct act *act = &revocations->acts[number];

	act->issuer = issuer;
	act->certificate = certificate;
	if (act->claimed == NO_ISSUER || act->claimed == issuer)
		return MM_OK;
	return mm_fail(MM_E_LOG_WRONG,
	    "entry %llu: its CRL lists what entry %llu has revoked, which "
	    "another CA has issued",
	    (unsigned long long)act->listed, (unsigned long long)act->index);
}

static int
compare_acts(const void *one, const void *other, void *self)
{
	const struct mm_revocations *revocations = self;
	uint32_t first = *(const uint32_t *)one;
	uint32_t second = *(const uint32_t *)other;
	uint64_t a = revocations->acts[first].certificate;
	uint64_t b = revocations->acts[second].certificate;

	if (a != b)
		return a < b ? -1 : 1;
	return (first > second) - (first < second);
}

enum mm_error
mm_revocations_sort(struct mm_revocations *revocations)
{
	size_t count = revocations->count;

	if (count == 0)
		return MM_OK;
	free(revocations->sorted);
	revocations->sorted =
	    reallocarray(NULL, count, sizeof(*revocations->sorted));
	if (revocations->sorted == NULL)
		return no_memory();
	for (size_t i = 0; i < count; i++)
		revocations->sorted[i] = (uint32_t)i;
	qsort_r(revocations->sorted, count, sizeof(*revocations->sorted),
	    compare_acts, revocations);
	return MM_OK;
}

/* The place of a certificate's first act among the sorted ones. */
static size_t
first_act(const struct mm_revocations *revocations, uint64_t certificate)
{
	size_t low = 0, high = revocations->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;
		const struct act *act =
		    &revocations->acts[revocations->sorted[middle]];

		if (act->certificate < certificate)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

/* The next of its acts; NULL after the last. */
static const struct act *
next_act(const struct mm_revocations *revocations, uint64_t certificate,
    size_t *place)
{
	const struct act *act;

	if (*place == revocations->count)
		return NULL;
	act = &revocations->acts[revocations->sorted[(*place)++]];
	return act->certificate == certificate ? act : NULL;
}

enum mm_standing
mm_standing_before(const struct mm_revocations *revocations,
    uint64_t certificate, uint64_t index)
{
	size_t place = first_act(revocations, certificate);
	const struct act *act, *last = NULL;

	while ((act = next_act(revocations, certificate, &place)) != NULL)
		if (act->index < index)
			last = act;
	if (!is_revoked(last))
		return MM_STANDS;
	return last->reason == HOLD ? MM_ON_HOLD : MM_REVOKED;
}

uint64_t
mm_revoked_by(const struct mm_revocations *revocations, uint64_t certificate)
{
	size_t place = first_act(revocations, certificate);
	const struct act *act;

	while ((act = next_act(revocations, certificate, &place)) != NULL)
		if (act->reason != HOLD && act->reason != REMOVE_FROM_CRL &&
		    act->reason != SUPERSEDED)
			return act->index;
	return UINT64_MAX;
}

/* How many are revoked after this act; only one of a hold and what follows
 * it counts. */
static void
count_act(struct mm_revocations *revocations, const struct act *act)
{
	const struct act *former =
	    act->former != NO_ACT ? &revocations->acts[act->former] : NULL;
	uint64_t *revoked = &revocations->revoked[act->issuer];

	if (is_revoked(act) && !is_revoked(former))
		(*revoked)++;
	else if (!is_revoked(act) && is_revoked(former))
		(*revoked)--;
}

/* CRLs come by the size up to which they count. */
static enum mm_error
judge(void *self, const struct mm_fact *crl)
{
	struct mm_revocations *revocations = self;
	uint64_t size = get_number(crl->name);
	uint64_t count = get_number(crl->name + 8), there;

	while (revocations->judged < revocations->count &&
	       revocations->acts[revocations->judged].index < size)
		count_act(
		    revocations, &revocations->acts[revocations->judged++]);
	there = revocations->revoked[crl->value];
	if (count == there)
		return MM_OK;
	return mm_fail(MM_E_LOG_WRONG,
	    "entry %llu: its CRL lists %llu certificates, and the entries "
	    "before %llu have revoked %llu of its CA",
	    (unsigned long long)crl->index, (unsigned long long)count,
	    (unsigned long long)size, (unsigned long long)there);
}

enum mm_error
mm_revocations_judge(struct mm_revocations *revocations)
{
	return mm_ledger_read(revocations->crls, judge, revocations);
}
