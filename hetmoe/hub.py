"""Checkpoints from a model repository of the Hugging Face Hub, as `bash deploy_hf.sh user/name --weights` has put them
there."""

from pathlib import Path

import httpx2
from huggingface_hub import hf_hub_download
from huggingface_hub.errors import (
    EntryNotFoundError,
    HFValidationError,
    LocalEntryNotFoundError,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)

from hetmoe.checkpoint import CheckpointError


def download(repository: str, file: str, revision: str) -> Path:
    """A file of the repository "user/name" at a commit, tag or branch. One that is in the client's cache is not asked
    for again; at a commit, the Hub is not asked at all.

    Raises CheckpointError if it cannot be had.
    """
    try:
        return Path(hf_hub_download(repository, file, revision=revision))
    except HFValidationError:
        problem = f"{repository!r} is not the name of a repository, which is user/name"
    except RevisionNotFoundError:
        problem = f"{repository} has no revision {revision!r}"
    except RepositoryNotFoundError:
        problem = f"there is no model repository {repository}, or it is private and you are not logged in"
    except LocalEntryNotFoundError:
        problem = f"{file} of {repository} at {revision!r} is not in the cache, and the Hub cannot be reached"
    except EntryNotFoundError:
        problem = f"{repository} has no {file} at revision {revision!r}"
    except (httpx2.HTTPError, OSError) as error:
        problem = f"{file} of {repository} could not be downloaded ({type(error).__name__}): please try again"
    raise CheckpointError(problem)
