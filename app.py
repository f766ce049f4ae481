"""The demo's front door: `python app.py` opens it at http://localhost:7860 (GRADIO_SERVER_PORT for another port)."""

from hetmoe.demo.page import serve

if __name__ == "__main__":
    serve()
