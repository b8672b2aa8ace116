from airflow.sdk import DAG

with DAG("half_a_character", schedule=None, description="\udcff"):
    pass
