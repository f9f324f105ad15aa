/*
 * Who owns what, said where it is declared: `mm_auto(buffer)` clears a
 * struct mm_buffer when it goes out of scope, mm_autoclose closes a
 * descriptor, and mm_take hands over what must outlive the scope.
 */
#ifndef MM_OWN_H
#define MM_OWN_H

#include <stdlib.h>
#include <unistd.h>

#define mm_must_use __attribute__((warn_unused_result))

/*
 * struct mm_NAME variable that is cleared by mm_NAME_clear() at scope end. An
 * early return may come before its init, so it is always declared with a
 * value: `mm_auto(buffer) text = {0};`
 */
#define mm_auto(name) \
	__attribute__((cleanup(mm_##name##_clear))) struct mm_##name

#define mm_autofree __attribute__((cleanup(mm_own_free_)))
#define mm_autoclose __attribute__((cleanup(mm_own_close_)))

/* The value of an owning pointer, which is emptied. */
#define mm_take(pointer) \
	__extension__({ \
		__typeof__(pointer) *from_ = &(pointer); \
		__typeof__(pointer) taken_ = *from_; \
		*from_ = NULL; \
		taken_; \
	})

/* The value of an owning descriptor, which is emptied to -1. */
#define mm_take_fd(fd) \
	__extension__({ \
		int *from_ = &(fd); \
		int taken_ = *from_; \
		*from_ = -1; \
		taken_; \
	})

static inline void
mm_own_free_(void *pointer)
{
	free(*(void **)pointer);
}

static inline void
mm_own_close_(int *fd)
{
	if (*fd >= 0)
		close(*fd);
}

#endif
