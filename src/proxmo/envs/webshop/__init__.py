"""WebShop: online shopping by instruction, with a native engine.

catalog = Catalog.generate(seed=0, num_products=1000)
env = WebShopEnv(catalog, max_steps=15)
observation, info = env.reset(options={"goal": 17})
observation, reward, terminated, truncated, info = env.step("search[red mug]")
"""

from proxmo.envs.webshop.catalog.catalog import Catalog
from proxmo.envs.webshop.catalog.goals import ShoppingGoal
from proxmo.envs.webshop.catalog.official import Product
from proxmo.envs.webshop.env import WebShopEnv

__all__ = ["Catalog", "Product", "ShoppingGoal", "WebShopEnv"]
