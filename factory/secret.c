#include "factory/secret.h"

#include <sodium.h>
#include <unistd.h>

enum { KEPT_MAX = 512 };

static struct {
	size_t limit, used; /* locked bytes; what is kept is used, too */
	struct mm_flash_secret kept[KEPT_MAX];
	size_t count;
} secrets;

/* sodium_malloc() puts a canary before what it gives, and rounds up. */
size_t
mm_flash_secret_locked(size_t size)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE), canary = 16;

	return (size + canary + page - 1) / page * page;
}

static void
release(const struct mm_flash_secret *secret)
{
	secrets.used -= mm_flash_secret_locked(secret->room);
	sodium_free(secret->data);
}

static struct mm_flash_secret
take_kept(size_t at)
{
	struct mm_flash_secret secret = secrets.kept[at];

	secrets.kept[at] = secrets.kept[--secrets.count];
	return secret;
}

/* What is kept makes way for what is wanted. */
static void
make_way(size_t locked)
{
	while (secrets.count > 0 && secrets.used + locked > secrets.limit) {
		struct mm_flash_secret last = take_kept(secrets.count - 1);

		release(&last);
	}
}

enum mm_error
mm_flash_secret_new(size_t size, struct mm_flash_secret *out)
{
	for (size_t i = secrets.count; i > 0; i--)
		if (secrets.kept[i - 1].room == size) {
			*out = take_kept(i - 1);
			return MM_OK;
		}
	make_way(mm_flash_secret_locked(size));
	*out = (struct mm_flash_secret){sodium_malloc(size), size, size};
	if (out->data == NULL)
		return mm_fail(MM_E_MEMORY, "no memory for a private key");
	secrets.used += mm_flash_secret_locked(size);
	return MM_OK;
}

void
mm_flash_secret_clear(struct mm_flash_secret *secret)
{
	struct mm_flash_secret back = mm_flash_secret_take(secret, 0);

	if (back.data == NULL)
		return;
	if (secrets.used > secrets.limit || secrets.count == KEPT_MAX) {
		release(&back);
		return;
	}
	sodium_memzero(back.data, back.room);
	back.size = back.room;
	secrets.kept[secrets.count++] = back;
}

struct mm_flash_secret
mm_flash_secret_take(struct mm_flash_secret *secret, size_t size)
{
	struct mm_flash_secret taken = {secret->data, size, secret->room};

	*secret = (struct mm_flash_secret){.data = NULL};
	return taken;
}

struct mm_buffer
mm_flash_secret_buffer(const struct mm_flash_secret *secret)
{
	return mm_buffer_over(secret->data, secret->size);
}

void
mm_flash_secrets_keep(size_t bytes)
{
	secrets.limit = bytes;
	make_way(0);
}
