#include "server/configure.h"

#include <string.h>

static const struct mm_field configure_fields[] = {
    MM_FIELD(mm_configure, 0, process, MM_UINT, 1, MM_PROCESSES - 1),
    MM_FIELD(mm_configure, 1, instance, MM_UINT, 0, 1023),
    MM_FIELD(mm_configure, 2, genesis, MM_BOOL, 0, 0),
    MM_FIELD(mm_configure, 3, accept_time, MM_BOOL, 0, 0),
    MM_FIELD(mm_configure, 4, rebuild, MM_BOOL, 0, 0),
    MM_NESTED(mm_configure, 5, settings, &mm_settings_shape)};
MM_SHAPE(mm_configure_shape, mm_configure, configure_fields);

static const struct mm_field control_tls_fields[] = {
    MM_FIELD(mm_control_tls, 0, spki, MM_BYTES, 1, 1024)};
MM_SHAPE(mm_control_tls_shape, mm_control_tls, control_tls_fields);

#define FOR(process) (1u << (process))
#define NEED(member, processes) \
	{ \
		offsetof(struct mm_settings, member), \
		    sizeof(((struct mm_settings *)0)->member), processes \
	}

/* Which process is told which settings: what it needs. */
static const struct {
	size_t offset, size;
	unsigned processes;
} needs[] = {
    NEED(directory, ~0U), /* where the settings are from */
    NEED(state, FOR(MM_NOTARY) | FOR(MM_ARCHIVE)),
    NEED(anchor, FOR(MM_NOTARY)),
    NEED(log_key, FOR(MM_NOTARY)),
    NEED(reserve, FOR(MM_NOTARY)),
    NEED(tiles, FOR(MM_ARCHIVE)),
    NEED(witnesses, FOR(MM_ARCHIVE)),
    NEED(index, FOR(MM_AUTHORITY)),
    NEED(requests_minute, FOR(MM_AUTHORITY)),
    NEED(token_state, FOR(MM_TOKEN)),
    NEED(token_module, FOR(MM_TOKEN)),
    NEED(token_uri, FOR(MM_TOKEN)),
    NEED(token_pin_file, FOR(MM_TOKEN)),
    NEED(token_paths, FOR(MM_TOKEN)),
    NEED(token_vendor, FOR(MM_TOKEN)),
    NEED(token_deadline, FOR(MM_AUTHORITY) | FOR(MM_GATE)),
    NEED(image_max, FOR(MM_GATE) | FOR(MM_AUTHORITY) | FOR(MM_INSPECTOR)),
    NEED(image_room, FOR(MM_AUTHORITY)),
    NEED(image_days, FOR(MM_AUTHORITY)),
    NEED(uploads, FOR(MM_GATE)),
    NEED(connections, FOR(MM_GATE)),
    NEED(connections_source, FOR(MM_GATE)),
    NEED(handshake_deadline, FOR(MM_GATE)),
    NEED(frame_deadline, FOR(MM_GATE)),
    NEED(idle_deadline, FOR(MM_GATE)),
};

struct mm_settings
mm_configure_settings(const struct mm_settings *all, enum mm_process process)
{
	struct mm_settings out = {0};

	for (size_t i = 0; i < MM_COUNT(needs); i++)
		if ((needs[i].processes & FOR(process)) != 0)
			memcpy((char *)&out + needs[i].offset,
			    (const char *)all + needs[i].offset, needs[i].size);
	return out;
}
