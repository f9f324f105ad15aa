#include "policy/clock.h"

enum {
	BACK = 2,           /* seconds that are answered with `last` */
	DRIFT = 60,         /* between the two clocks */
	GAP = 7 * 24 * 3600 /* between the last entry and a start */
};

void
mm_clock_init(struct mm_clock *clock, uint64_t real, uint64_t boot,
    uint64_t last, bool accepted)
{
	*clock = (struct mm_clock){
	    .start_real = real,
	    .start_boot = boot,
	    .last = last,
	    .accepted = accepted,
	    /* An empty log has no last entry to be away from. */
	    .gap = last != 0 && real > last && real - last > GAP,
	};
}

/* How far CLOCK_REALTIME has run ahead of CLOCK_BOOTTIME since the start. */
static int64_t
drift(const struct mm_clock *clock, uint64_t real, uint64_t boot)
{
	return (int64_t)(real - clock->start_real - (boot - clock->start_boot));
}

enum mm_error
mm_clock_judge(
    const struct mm_clock *clock, uint64_t real, uint64_t boot, uint64_t *out)
{
	int64_t apart = drift(clock, real, boot);

	if (real < clock->last && clock->last - real > BACK)
		return mm_fail(MM_E_CLOCK_BEHIND,
		    "the clock is %llu seconds behind the log's last entry",
		    (unsigned long long)(clock->last - real));
	if (clock->gap && !clock->accepted)
		return mm_fail(MM_E_CLOCK_JUMPED,
		    "this start came more than 7 days after the log's last "
		    "entry: check the clock, then run mintmarkd "
		    "--accept-time");
	if (apart > DRIFT || apart < -DRIFT)
		return mm_fail(MM_E_CLOCK_JUMPED,
		    "the clock was set by %lld seconds while mintmarkd ran: "
		    "check it, then run mintmarkd --accept-time",
		    (long long)apart);
	*out = real < clock->last ? clock->last : real;
	return MM_OK;
}
