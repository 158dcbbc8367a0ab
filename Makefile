.PHONY: test slow lint format docs train bench

test:  ## fast tests
	uv run pytest

slow:  ## tests that take minutes
	uv run pytest -m slow

lint:  ## style and types
	uv run ruff check .
	uv run ruff format --check .
	uv run pyright

format:  ## rewrite to the style
	uv run ruff check --fix .
	uv run ruff format .

docs:  ## the site, rebuilt at every change, on http://127.0.0.1:8000
	uv run --group docs mkdocs serve

train:  ## the main job
	uv run proxmo train

bench:  ## speed of credit, engine and rollout
	uv run python benchmarks/credit.py
	uv run --group reference python benchmarks/alfworld.py
	uv run python benchmarks/rollout.py
	uv run python benchmarks/adapters.py
	uv run python benchmarks/serve.py
	uv run python benchmarks/training.py
