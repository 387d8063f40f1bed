"""The run that an address is about."""

from perdure_api.errors import NotFoundError
from perdure_api.projections.run_detail import Found, find_run
from perdure_api.routes.writing import as_run_id
from perdure_api.security.access import HttpRequest, caller_of
from perdure_api.services import services_of


async def asked_run(request: HttpRequest, run_id: str) -> Found:
    """Give a run of the caller's tenant as it is now.

    Raises:
        NotFoundError: when there is none.
    """
    database, tenant = services_of(request).database, caller_of(request).tenant
    found = await find_run(database, tenant, as_run_id(run_id))
    if found is None:
        raise NotFoundError(run_id)
    return found
