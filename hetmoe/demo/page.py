"""The page as a whole: a header, a tab for each kind of input, and the evidence."""

import os
import sys
import tempfile
import threading
import time
from functools import partial
from pathlib import Path
from typing import Any

import gradio as gr
from gradio.utils import get_upload_folder
from starlette.middleware import Middleware

from hetmoe.checkpoint import CheckpointError
from hetmoe.demo.api import add_endpoints
from hetmoe.demo.classify import MODALITIES, Models, answer
from hetmoe.demo.closer import make_closer
from hetmoe.demo.compare import control, facts
from hetmoe.demo.components import (
    MAX_FILE_MEGABYTES,
    SNAPSHOT,
    make_experiments,
    make_input,
    make_results,
    make_share,
    make_static,
)
from hetmoe.demo.evidence import EVIDENCE, PLOTLY, make_evidence
from hetmoe.demo.guard import Guard, remove_old
from hetmoe.demo.landscape import LANDSCAPE, make_landscape, read_landscape
from hetmoe.demo.overload import AT_ONCE, EXCEPTION_HANDLERS, QUEUE_SIZE, Draining
from hetmoe.demo.social import CARD, SocialCard
from hetmoe.demo.sources import EXAMPLES
from hetmoe.demo.theme import ASSETS, head, theme
from hetmoe.encoding import FAMILIES
from hetmoe.inference import Predictor, default_checkpoint, use_one_thread

CONFIGURATIONS = ("heterogeneous", "hybrid", "homogeneous")
HOUR = 3600
MAX_SESSIONS = 256  # of which Gradio keeps what each input last held, up to 1 MB; it has no further use for that


def load_predictors() -> Models:
    """The published model of every family and configuration. Raises CheckpointError if one cannot be loaded."""
    return {
        family: {name: Predictor.load(default_checkpoint(name, family)) for name in CONFIGURATIONS}
        for family in FAMILIES
    }


def build(
    models: Models, control_accuracy: float, evidence: Path = EVIDENCE, landscape_file: Path = LANDSCAPE
) -> gr.Blocks:
    """The page for these models; every input opens with an example classified.

    control_accuracy: of the net that the mixtures are compared with; see demo.compare.control

    evidence: the file that the evidence tab shows; see demo.evidence
    landscape_file: what is known of the models' answers; see demo.landscape
    """
    known = facts(models)
    landscape = read_landscape(landscape_file)
    # An upload is kept for a day, so that it can still be classified anew on a page left open.
    with gr.Blocks(title="HetMoE", analytics_enabled=False, fill_width=True, delete_cache=(HOUR, 24 * HOUR)) as page:
        make_static("header", facts=known)
        with gr.Tabs():
            for kind in MODALITIES:
                with gr.Tab(kind.capitalize(), id=kind) as tab:
                    with gr.Row(elem_classes="hm-stage"):
                        given = make_input(kind)
                        results = make_results(kind, answer(models, kind, given.value, landscape))
                    if kind == "sound":
                        make_static("ribbon", "recognise")
                # Unqueued and one at a time, always ending on the last state: as live as the server can follow.
                given.input(
                    partial(answer, models, kind, landscape=landscape),
                    given,
                    results,
                    queue=False,
                    trigger_mode="always_last",
                    show_progress="hidden",
                    api_visibility="private",
                )
                tab.select(js=f"() => hm.set({{ tab: '{kind}' }})")
            with gr.Tab("Evidence", id="evidence", elem_id="hm-evidence") as tab:
                make_evidence(evidence)
            tab.select(js="() => hm.set({ tab: 'evidence' })")
        with gr.Column(elem_id="hm-panels"):
            # One panel below another, for whichever input is open.
            make_experiments()
            make_static("compare", facts=known, control=control_accuracy)
            make_closer(models)
            make_landscape(landscape)
        make_static("footer")
        make_share()
        make_static("tour", facts=known, control=control_accuracy)
        add_endpoints(models)
    return page


def served(models: Models) -> dict[str, Any]:
    """How the page is to be served, wherever: what Gradio's `launch` and `mount_gradio_app` both take."""
    public = [str(EXAMPLES), str(PLOTLY), str(SNAPSHOT), str(CARD)]
    max_file_bytes = MAX_FILE_MEGABYTES * 10**6
    experts = {
        family: {name: p.checkpoint.model.config.expert_labels() for name, p in of_family.items()}
        for family, of_family in models.items()
    }
    return {
        "theme": theme(),
        "head": head(experts),
        "favicon_path": str(ASSETS / "favicon.svg"),
        "allowed_paths": public,
        "max_file_size": max_file_bytes,
        "footer_links": [],
        "run_history": False,
        "app_kwargs": {
            "middleware": [Middleware(Guard, public, max_file_bytes), Middleware(SocialCard)],
            "exception_handlers": EXCEPTION_HANDLERS,
        },
        "ssr_mode": False,
    }


def load(evidence: Path = EVIDENCE) -> tuple[gr.Blocks, dict[str, Any]]:
    """The page with the published models, and how it is to be served. Raises CheckpointError if there are none."""
    models = load_predictors()
    use_one_thread()
    os.environ.setdefault("GRADIO_ANALYTICS_CACHE_FREQUENCY", "1000")  # else Gradio sums up its statistics each time
    page = build(models, control(), evidence)
    # Who waits is told how long every five seconds: at each change, as is usual, takes much of the server's time.
    page.queue(max_size=QUEUE_SIZE, status_update_rate=5, default_concurrency_limit=AT_ONCE)
    return page, served(models)


def serve(evidence: Path = EVIDENCE) -> None:
    """Serves the page until SIGTERM or Ctrl-C; exits with a message if there are no models.

    Uploads lie in a folder of its own, or in GRADIO_TEMP_DIR; what is a day old there is deleted.
    """
    os.environ.setdefault("GRADIO_TEMP_DIR", str(Path(tempfile.gettempdir()) / "hetmoe"))
    try:
        page, options = load(evidence)
    except CheckpointError as error:
        sys.exit(f"The page needs the published models: {error}.")
    draining = Draining(page)
    options["app_kwargs"]["middleware"].append(Middleware(draining.middleware))
    threading.Thread(target=_keep_tidy, daemon=True).start()
    page.launch(**options, state_session_capacity=MAX_SESSIONS, prevent_thread_lock=True)
    draining.wait()
    page.close()


def _keep_tidy() -> None:
    """Gradio deletes old uploads too, but only those since its start, and until one arrives in the same moment."""
    while True:
        remove_old(Path(get_upload_folder()).glob("*/*"), 24 * HOUR)
        time.sleep(HOUR)
