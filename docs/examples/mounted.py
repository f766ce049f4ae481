"""The page as a part of a FastAPI app: `uvicorn --app-dir docs/examples mounted:app` → http://localhost:8000/hetmoe"""

import gradio as gr
from fastapi import FastAPI

from hetmoe.demo.page import load

app = FastAPI()


@app.get("/")
def home() -> dict[str, str]:
    return {"page": "/hetmoe"}


page, options = load()
app = gr.mount_gradio_app(app, page, path="/hetmoe", **options)
