#include "hsm/module.h"

#include <dlfcn.h>
#include <p11-kit/p11-kit.h>

enum mm_error
mm_module_open(const char *path, struct mm_module *out)
{
	void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
	CK_C_GetFunctionList get;
	CK_FUNCTION_LIST *call = NULL;

	if (library == NULL)
		return mm_fail(MM_E_MODULE,
		    "the PKCS#11 module cannot be loaded: %s; is "
		    "`module` in the section token right, and is its package "
		    "installed?",
		    dlerror());
	*(void **)&get = dlsym(library, "C_GetFunctionList");
	if (get == NULL || get(&call) != CKR_OK || call == NULL) {
		dlclose(library);
		return mm_fail(MM_E_MODULE, "%s is not a PKCS#11 module", path);
	}
	*out = (struct mm_module){library, call};
	return MM_OK;
}

void
mm_module_close(struct mm_module *module)
{
	if (module->library != NULL)
		dlclose(module->library);
	*module = (struct mm_module){0};
}

enum mm_error
mm_module_failed(const char *function, CK_RV rv)
{
	return mm_fail(
	    MM_E_TOKEN, "%s: %s (0x%lx)", function, p11_kit_strerror(rv), rv);
}
