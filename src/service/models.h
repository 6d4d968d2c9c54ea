/* models.h - the models that this process serves, loaded from a folder and loaded anew while they
 * serve. */
#ifndef TP_MODELS_H
#define TP_MODELS_H

#include "service/absent.h"
#include "service/served.h"

struct tp_models {
    pthread_mutex_t lock;            /* of both lists, which one thread at a time changes */
    struct tp_served **served;       /* in the order of their names */
    int n_served;
    struct tp_absents absent;        /* the others; of a name that is served too: why its file is
                                        not what serves */
    bool loading;                    /* the first time: what is not there yet may come */
    atomic_bool ending;              /* no load is worth going on with */
    const char *folder;              /* NULL: built-ins only */
    struct tp_limits limits;
    struct tp_budget *budget;        /* that the memory of later ones is taken from: one that it
                                        has no room for is not served. NULL: none */
};

/* The built-ins, ready. `folder` (may be NULL) is read by tp_models_load(), must outlive *models,
 * and must be a folder now, else this fails. */
bool tp_models_init(struct tp_models *models, const char *folder, const struct tp_limits *limits,
                    struct tp_err *err) TP_MUST_USE;
void tp_models_fini(struct tp_models *models);   /* nobody may hold one any more */

/* Brings what is served in line with the folder, with up to n_threads models at a time. New and
 * changed files are read, planned and run once on zeros before they take the place of what was
 * there; one that fails is logged and leaves the old one serving; a model whose file is gone is
 * taken out. Those of the folder win over built-ins of the same name; what was unloaded stays so.
 * This and the two below are for one thread at a time, beside any number that use the models. */
void tp_models_load(struct tp_models *models, int n_threads);

/* Does that for one model, whether its file has changed or not; one that was unloaded comes back.
 * Fails as TP_NOT_FOUND when neither the folder nor a built-in has that name, as TP_INVALID_MODEL
 * when the file is bad (the old one serves on then), with no path but those beneath the folder. */
bool tp_models_load_one(struct tp_models *models, const char *name, int n_threads,
                        struct tp_err *err) TP_MUST_USE;

/* Serves the model no more, until tp_models_load_one(). Who uses it now may go on. */
bool tp_models_unload(struct tp_models *models, const char *name, struct tp_err *err) TP_MUST_USE;

/* Makes a load end after the files at hand, and later ones at once; what was served stays. From any
 * thread. */
void tp_models_end_loading(struct tp_models *models);

/* The model of that name; NULL with *err filled (the message lists the names there are). */
struct tp_served *tp_models_get(struct tp_models *models, const char *name, struct tp_err *err);
void tp_models_put(struct tp_served *served);    /* NULL is fine */

/* Whether the first load is still going on. */
bool tp_models_loading(struct tp_models *models);

/* Calls fn for every model in the order of their names. fn must not get or put one. */
void tp_models_each(struct tp_models *models, void (*fn)(void *ctx, const struct tp_model *m),
                    void *ctx);
void tp_models_each_served(struct tp_models *models,
                           void (*fn)(void *ctx, const struct tp_served *s), void *ctx);

/* The same for all that are known, served or not. */
void tp_models_index(struct tp_models *models,
                     void (*fn)(void *ctx, const struct tp_index_line *line), void *ctx);

#endif
