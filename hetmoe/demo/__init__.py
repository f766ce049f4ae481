"""The page: a Gradio interface in which a picture, a spoken word or a drawn digit is routed among the experts."""
